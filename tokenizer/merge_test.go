package tokenizer

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// slowly merges as the facts say it: look at all pairs, merge the one of least
// rank, the leftmost of equals, until none merges.
func slowly(v *vocabulary, piece string) []string {
	var parts []string
	for i := range len(piece) {
		parts = append(parts, string(Symbol(piece[i])))
	}
	for {
		best, at := len(v.merges), 0
		for i := 0; i+1 < len(parts); i++ {
			if r := slices.Index(v.merges, parts[i]+" "+parts[i+1]); r >= 0 && r < best {
				best, at = r, i
			}
		}
		if best == len(v.merges) {
			return parts
		}
		parts[at] += parts[at+1]
		parts = slices.Delete(parts, at+1, at+2)
	}
}

// Vocabularies whose merges come in any order: what a merge needs may come into
// being after it, and several pairs make one token.
func TestMergeOrder(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		known, merges := []string{"a", "b", "c"}, []string{}
		for range 30 {
			l, r := known[rng.IntN(len(known))], known[rng.IntN(len(known))]
			if m := l + " " + r; len(m) < 12 && !slices.Contains(merges, m) {
				merges = append(merges, m)
				known = append(known, l+r)
			}
		}
		rng.Shuffle(len(merges), func(i, j int) { merges[i], merges[j] = merges[j], merges[i] })
		v := newVocabulary("qwen2", merges...)
		tok := v.tokenizer(t)
		for range 20 {
			var text strings.Builder
			for range rng.IntN(40) {
				text.WriteByte("abc"[rng.IntN(3)])
			}
			want := strings.Join(slowly(v, text.String()), " ")
			if got := spelling(tok, tok.Encode(nil, text.String(), false)); got != want {
				t.Fatalf("merges %q\n%q: got %q\nwant %q", merges, text.String(), got, want)
			}
		}
	}
}

// Of two merges of the same pair the first counts.
func TestMergeTwice(t *testing.T) {
	tok := newVocabulary("qwen2", "a b", "b c", "a b").tokenizer(t)
	if got := spelling(tok, tok.Encode(nil, "abc", false)); got != "ab c" {
		t.Errorf("got %q", got)
	}
}

// What goes through the heap for one piece is linear in its bytes: each pair of
// bytes, and two pairs for each merge, in and out.
func TestWorkIsLinear(t *testing.T) {
	doubling := []string{}
	for run := "a"; len(run) <= 1<<10; run += run {
		doubling = append(doubling, run+" "+run)
	}
	oneByOne := []string{} // the longest first, so that it goes on where it began
	for n := 1<<10 - 1; n > 0; n-- {
		oneByOne = append(oneByOne, strings.Repeat("b", n)+" b")
	}
	v := newVocabulary("qwen2", slices.Concat(doubling, oneByOne)...)
	tok := v.tokenizer(t)
	for _, n := range []int{1 << 10, 1 << 16, 1 << 20} {
		for _, c := range []struct {
			run  string
			want int // tokens
		}{{"a", n >> 11}, {"b", n >> 10}, {"c", n}, {"ab", 2 * n}} {
			m := &merger{merges: &tok.merges}
			piece := strings.Repeat(c.run, n)
			if got := len(m.merge(nil, piece)); got != max(c.want, 1) {
				t.Errorf("%d of %q: %d tokens, want %d", n, c.run, got, c.want)
			}
			if m.steps > 6*len(piece) {
				t.Errorf("%d of %q: %d steps for %d bytes", n, c.run, m.steps, len(piece))
			}
		}
	}
}

// Texts of one character, of every kind of piece, come back from a megabyte.
func TestMegabytes(t *testing.T) {
	for pre := range splitters {
		tok := newVocabulary(pre, hello...).tokenizer(t)
		for _, run := range []string{"a", " ", "\n", "!", "7", "中", "\u0301", "\xff", "' ", "<|a|>", "<|"} {
			text := strings.Repeat(run, 1<<20/len(run))
			got, err := tok.Decode(nil, tok.Encode(nil, text, true)...)
			if err != nil || string(got) != text {
				t.Errorf("%s: %q: %d bytes come back, %v", pre, run, len(got), err)
			}
		}
	}
}
