package deltaloom

// equalSplit cuts the next step out of a batch: the sequences that take part,
// the first ones that have tokens left, and how many tokens each of them gives,
// the same for all. left counts the tokens by sequence; a step holds at most
// ubatch tokens. The recurrent layers want equal numbers: a sequence that is
// padded would have its states stepped on. The sequences lie in the memory of buf
// where that is large enough.
func equalSplit(buf, left []int, ubatch int) (seqs []int, tokens int) {
	seqs = buf[:0]
	for i, n := range left {
		if n == 0 || len(seqs) == ubatch {
			continue
		}
		if len(seqs) == 0 || n < tokens {
			tokens = n
		}
		seqs = append(seqs, i)
	}
	if len(seqs) > 0 {
		tokens = min(tokens, ubatch/len(seqs))
	}
	return seqs, tokens
}
