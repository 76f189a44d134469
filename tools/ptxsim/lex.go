package ptxsim

import (
	"fmt"
	"strings"
)

// A token is a word (a name, mnemonic, directive or number), a string, or one character of
// punctuation. The last token of a text is empty.
type token struct {
	text       string
	line       int
	start, end int // in the source
}

func wordByte(c byte) bool {
	return c == '_' || c == '$' || c == '%' || c == '.' || c >= 0x80 ||
		'0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

func (t token) isWord() bool { return t.text != "" && wordByte(t.text[0]) }

// lex cuts the text into tokens. A word may hold "::", as in ld.global.L2::128B.
func lex(src string) ([]token, error) {
	var toks []token
	line := 1
	for i := 0; i < len(src); {
		c := src[i]
		switch {
		case c == '\n':
			line++
			i++
		case c == ' ' || c == '\t' || c == '\r':
			i++
		case strings.HasPrefix(src[i:], "//"):
			if n := strings.IndexByte(src[i:], '\n'); n >= 0 {
				i += n
			} else {
				i = len(src)
			}
		case strings.HasPrefix(src[i:], "/*"):
			n := strings.Index(src[i:], "*/")
			if n < 0 {
				return nil, fmt.Errorf("line %d: a comment without end", line)
			}
			line += strings.Count(src[i:i+n], "\n")
			i += n + 2
		case c == '"':
			n := strings.IndexAny(src[i+1:], "\"\n")
			if n < 0 || src[i+1+n] == '\n' {
				return nil, fmt.Errorf("line %d: a string without end", line)
			}
			toks = append(toks, token{src[i : i+n+2], line, i, i + n + 2})
			i += n + 2
		case wordByte(c):
			j := i
			for j < len(src) {
				if wordByte(src[j]) {
					j++
				} else if strings.HasPrefix(src[j:], "::") {
					j += 2
				} else {
					break
				}
			}
			toks = append(toks, token{src[i:j], line, i, j})
			i = j
		case strings.IndexByte(",;{}[]()<>:@!+-=|*", c) >= 0:
			toks = append(toks, token{src[i : i+1], line, i, i + 1})
			i++
		default:
			return nil, fmt.Errorf("line %d: unexpected character %q", line, c)
		}
	}
	return append(toks, token{"", line, len(src), len(src)}), nil
}
