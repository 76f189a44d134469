// Package reference reads logits that another program computed and measures how
// far ours are from them.
package reference

import (
	"encoding/binary"
	"fmt"
	"math"
	"os"
)

// Logits are the tokens of one sequence and what follows from each.
type Logits struct {
	Tokens []int32
	Vocab  int
	F      []float32 // [tokens vocab]
}

// Read reads a file of little-endian int32 T, int32 V, int32 token[T] and
// float32 logits[T][V], and nothing after them.
func Read(path string) (*Logits, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	l, err := parse(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return l, nil
}

func parse(b []byte) (*Logits, error) {
	if len(b) < 8 {
		return nil, fmt.Errorf("%d bytes are too short for logits", len(b))
	}
	T, V := int64(int32(binary.LittleEndian.Uint32(b))), int64(int32(binary.LittleEndian.Uint32(b[4:])))
	if T < 1 || V < 1 {
		return nil, fmt.Errorf("%d tokens of %d logits: not a file of logits", T, V)
	}
	if words := T + T*V; words != int64(len(b)-8)/4 || len(b)%4 != 0 {
		return nil, fmt.Errorf("%d bytes, want %d for %d tokens of %d logits", len(b), 8+4*words, T, V)
	}
	l := &Logits{Tokens: make([]int32, T), Vocab: int(V), F: make([]float32, T*V)}
	b = b[8:]
	for i := range l.Tokens {
		l.Tokens[i] = int32(binary.LittleEndian.Uint32(b[4*i:]))
	}
	b = b[4*T:]
	for i := range l.F {
		l.F[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return l, nil
}
