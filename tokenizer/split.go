package tokenizer

import (
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// splitter cuts text into pieces; no token reaches from one into the next. Its
// pieces are those of a regular expression, alternative by alternative, which
// tests hold it to.
type splitter struct {
	*classes
	word   class // what words are made of
	digits int   // how many make a piece

	// Han characters are pieces of their own, and a contraction ('s, 'll) belongs
	// to the word in front of it, where it is a piece of its own otherwise.
	han bool
}

// splitters by their names in files.
//
// Without han, the expression is, with W for the class of words:
//
//	(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?W+|\p{N}| ?[^\s\p{N}W]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
//
// and with it, where W is letters that are not Han:
//
//	\p{Han}+|[^\r\n\p{L}\p{N}]?W+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
//
// Only ASCII letters make contractions.
var splitters = map[string]splitter{
	"qwen2":   {word: letter | ideograph, digits: 1},
	"qwen35":  {word: letter | ideograph | mark, digits: 1},
	"kimi-k2": {word: letter, digits: 3, han: true},
}

func splitterNames() string {
	return strings.Join(slices.Sorted(maps.Keys(splitters)), ", ")
}

// next returns the bytes of the piece that s, which is not empty, begins with.
func (p splitter) next(s string) int {
	c, n := p.at(s, 0)
	if p.han && c&han != 0 {
		return p.run(s, n, han)
	}
	if !p.han {
		if n := contraction(s); n > 0 {
			return n
		}
	}
	lead := 0
	if c&(letter|ideograph|number|newline) == 0 {
		lead = n // whatever it is, it leads a word if one follows
	}
	if end := p.run(s, lead, p.word); end > lead || c&p.word != 0 {
		if p.han {
			end += contraction(s[end:])
		}
		return end
	}
	if c&number != 0 {
		for range p.digits - 1 {
			if n == len(s) {
				break
			}
			c, more := p.at(s, n)
			if c&number == 0 {
				break
			}
			n += more
		}
		return n
	}
	lead = 0
	if s[0] == ' ' {
		lead = 1
	}
	if end := p.runOut(s, lead, letter|ideograph|number|space|p.word); end > lead {
		return p.run(s, end, newline)
	}
	return p.blank(s)
}

// blank returns the bytes of the piece of white space that s begins with: up to
// the last newline, or all of it but the last character, which leads the next
// piece.
func (p splitter) blank(s string) int {
	end := p.run(s, 0, space)
	if i := strings.LastIndexAny(s[:end], "\r\n"); i >= 0 {
		return i + 1
	}
	if end == len(s) {
		return end
	}
	if _, last := utf8.DecodeLastRuneInString(s[:end]); last < end {
		return end - last
	}
	return end
}

// contraction returns the bytes of the contraction that s begins with, or 0.
func contraction(s string) int {
	if len(s) < 2 || s[0] != '\'' {
		return 0
	}
	switch s[1] | 0x20 { // lower case, of letters
	case 's', 't', 'm', 'd':
		return 2
	}
	if len(s) > 2 {
		switch string([]byte{s[1] | 0x20, s[2] | 0x20}) {
		case "re", "ve", "ll":
			return 3
		}
	}
	return 0
}
