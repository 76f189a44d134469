package tokenizer

import (
	"cmp"
	"slices"
	"sort"
)

// specials are the tokens that are found in text as they are written, before it
// is split.
type specials struct {
	tokens []special  // by text
	first  [257]int32 // those that begin with byte b are tokens[first[b]:first[b+1]]
}

type special struct {
	text string // not empty
	id   int32
}

func newSpecials(tokens []special) specials {
	slices.SortFunc(tokens, func(a, b special) int { return cmp.Compare(a.text, b.text) })
	s := specials{tokens: tokens}
	for _, t := range tokens {
		s.first[int(t.text[0])+1]++
	}
	for b := range 256 {
		s.first[b+1] += s.first[b]
	}
	return s
}

// at returns the longest token that text, which is not empty, begins with, and
// its bytes; 0 bytes where there is none.
func (s *specials) at(text string) (id int32, n int) {
	same := s.tokens[s.first[text[0]]:s.first[int(text[0])+1]] // begin with the same bytes as text
	for bytes := 1; len(same) > 0; bytes++ {
		if len(same[0].text) == bytes {
			id, n = same[0].id, bytes
			same = same[1:]
		}
		if bytes == len(text) {
			break
		}
		b := text[bytes]
		same = same[sort.Search(len(same), func(i int) bool { return same[i].text[bytes] >= b }):]
		same = same[:sort.Search(len(same), func(i int) bool { return same[i].text[bytes] > b })]
	}
	return id, n
}
