package ptxsim

import (
	"fmt"
	"strings"
)

// scanner cuts text into statements.
type scanner struct {
	src  string
	at   int
	line int
}

type statementKind uint8

const (
	endOfText statementKind = iota
	ordinary                // up to a semicolon, the end of a directive's line, or a brace that opens a body
	openBrace
	closeBrace
	label
)

type statement struct {
	kind statementKind
	text string
	line int
}

// next returns the next statement. Braces within a statement belong to it (vectors,
// initial values); others stand for themselves.
func (s *scanner) next() (statement, error) {
	var b strings.Builder
	line := s.line
	vector, parens := 0, 0
	empty := func() bool { return strings.TrimSpace(b.String()) == "" }
	done := func() (statement, error) {
		return statement{ordinary, strings.TrimSpace(b.String()), line}, nil
	}
	for s.at < len(s.src) {
		c := s.src[s.at]
		if b.Len() == 0 {
			line = s.line
		}
		switch {
		case strings.HasPrefix(s.src[s.at:], "//"):
			n := strings.IndexByte(s.src[s.at:], '\n')
			if n < 0 {
				n = len(s.src) - s.at
			}
			s.at += n
			continue
		case strings.HasPrefix(s.src[s.at:], "/*"):
			n := strings.Index(s.src[s.at:], "*/")
			if n < 0 {
				return statement{}, fmt.Errorf("ptx: line %d: a comment without an end", s.line)
			}
			s.line += strings.Count(s.src[s.at:s.at+n], "\n")
			s.at += n + 2
			continue
		case c == ';':
			s.at++
			if empty() {
				b.Reset()
				continue
			}
			return done()
		case c == '{':
			if empty() {
				s.at++
				return statement{openBrace, "{", s.line}, nil
			}
			if t := strings.TrimSpace(b.String()); strings.Contains(t, ".entry") || strings.HasPrefix(t, ".section") {
				return done()
			}
			vector++
		case c == '}':
			if vector == 0 {
				if !empty() {
					return statement{}, fmt.Errorf("ptx: line %d: %s: a statement without an end", line, short(b.String()))
				}
				s.at++
				return statement{closeBrace, "}", s.line}, nil
			}
			vector--
		case c == '(':
			parens++
		case c == ')':
			parens--
		case c == ':' && parens == 0 && vector == 0:
			t := strings.TrimSpace(b.String())
			if t != "" && !strings.ContainsAny(t, " \t\n") {
				s.at++
				return statement{label, t, line}, nil
			}
		case c == '\n':
			s.line++
			if t := strings.TrimSpace(b.String()); parens == 0 && vector == 0 && endsWithLine(t) {
				s.at++
				return done()
			}
		}
		if b.Len() > 0 || c != ' ' && c != '\t' && c != '\n' && c != '\r' {
			b.WriteByte(c)
		}
		s.at++
	}
	if !empty() {
		return statement{}, fmt.Errorf("ptx: line %d: %s: a statement without an end", line, short(b.String()))
	}
	return statement{endOfText, "", s.line}, nil
}

// endsWithLine reports a directive that no semicolon ends.
func endsWithLine(text string) bool {
	for _, d := range []string{".version", ".target", ".address_size", ".loc", ".file", ".maxnreg", ".minnctapersm"} {
		if text == d || strings.HasPrefix(text, d+" ") || strings.HasPrefix(text, d+"\t") {
			return true
		}
	}
	return false
}
