package tokenizer

import (
	"strings"
	"unicode/utf8"
)

// symbols are the characters by which byte-level vocabularies write the 256
// bytes: printable ones of Latin-1 stand for themselves, the others, in order,
// for the characters from U+0100 on.
var symbols = func() (s [256]rune) {
	next := rune(256)
	for b := range s {
		switch {
		case b >= '!' && b <= '~', b >= '¡' && b <= '¬', b >= '®':
			s[b] = rune(b)
		default:
			s[b] = next
			next++
		}
	}
	return s
}()

// bytesOf is the byte of each symbol, -1 for characters that are none.
var bytesOf = func() (list [256 + 68]int16) {
	for i := range list {
		list[i] = -1
	}
	for b, r := range symbols {
		list[r] = int16(b)
	}
	return list
}()

// Symbol returns the character by which byte-level vocabularies write a byte.
func Symbol(b byte) rune { return symbols[b] }

// spelled returns the bytes that text spells in symbols. Text with other
// characters stands for itself. The bytes lie in b or in text.
func spelled(b *strings.Builder, text string) string {
	if ascii(text) {
		return text
	}
	from := b.Len()
	for _, r := range text {
		if int(r) >= len(bytesOf) || bytesOf[r] < 0 {
			return text
		}
		b.WriteByte(byte(bytesOf[r]))
	}
	return b.String()[from:]
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
