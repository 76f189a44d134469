package tokenizer

import (
	"sync"
	"unicode"
	"unicode/utf8"
)

// class is what splitters tell apart in a character. Symbols have no class.
type class uint8

const (
	letter    class = 1 << iota // \p{L} but Han
	ideograph                   // \p{L} and Han
	han                         // \p{Han}, letters and others
	mark                        // \p{M}
	number                      // \p{N}
	space                       // \s: White_Space
	newline                     // [\r\n]
)

// classes is the class of every character. What is no UTF-8 counts as U+FFFD, a
// symbol of one byte.
type classes [unicode.MaxRune + 1]class

// allClasses makes the table once: looking a character up in the ranges of the
// standard library takes longer than everything else that a splitter does.
var allClasses = sync.OnceValue(func() *classes {
	t := new(classes)
	t.add(unicode.L, letter)
	t.add(unicode.Han, han)
	t.add(unicode.M, mark)
	t.add(unicode.N, number)
	t.add(unicode.White_Space, space)
	t['\r'] |= newline
	t['\n'] |= newline
	for r, c := range t {
		if c&(letter|han) == letter|han {
			t[r] ^= letter | ideograph
		}
	}
	return t
})

func (t *classes) add(table *unicode.RangeTable, c class) {
	for _, r := range table.R16 {
		for x := rune(r.Lo); x <= rune(r.Hi); x += rune(r.Stride) {
			t[x] |= c
		}
	}
	for _, r := range table.R32 {
		for x := rune(r.Lo); x <= rune(r.Hi); x += rune(r.Stride) {
			t[x] |= c
		}
	}
}

// at returns the class and the bytes of the character of s at i, which is not
// the end.
func (t *classes) at(s string, i int) (c class, n int) {
	if b := s[i]; b < utf8.RuneSelf {
		return t[b], 1
	}
	r, n := utf8.DecodeRuneInString(s[i:])
	return t[r], n
}

// run returns where the characters of s end that follow i and have one of the
// classes.
func (t *classes) run(s string, i int, of class) int {
	for i < len(s) {
		c, n := t.at(s, i)
		if c&of == 0 {
			break
		}
		i += n
	}
	return i
}

// runOut returns where the characters of s end that follow i and have none of
// the classes.
func (t *classes) runOut(s string, i int, of class) int {
	for i < len(s) {
		c, n := t.at(s, i)
		if c&of != 0 {
			break
		}
		i += n
	}
	return i
}
