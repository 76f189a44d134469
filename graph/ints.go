package graph

import (
	"fmt"
	"strconv"
	"strings"
)

// Ints is a short list of integers that can be compared with ==, for the
// attributes of ops: extents, axes, offsets. It holds at most MaxRank of them.
type Ints struct {
	n uint8
	v [MaxRank]int
}

// IntsOf returns the list; more than MaxRank values give the empty list, which
// no op that needs one entry an axis accepts.
func IntsOf(v ...int) Ints {
	if len(v) > MaxRank {
		return Ints{}
	}
	l := Ints{n: uint8(len(v))}
	copy(l.v[:], v)
	return l
}

func (l Ints) Len() int     { return int(l.n) }
func (l Ints) At(i int) int { return l.v[i] }

// Slice returns a copy.
func (l Ints) Slice() []int { return append(make([]int, 0, MaxRank), l.v[:l.n]...) }

func (l Ints) String() string { return fmt.Sprint(l.v[:l.n]) }

func (l Ints) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

func (l *Ints) UnmarshalText(text []byte) error {
	s, ok := strings.CutPrefix(string(text), "[")
	s, ok2 := strings.CutSuffix(s, "]")
	f := strings.Fields(s)
	if !ok || !ok2 || len(f) > MaxRank {
		return fmt.Errorf("want a list of at most %d integers such as [1 2], have %q", MaxRank, text)
	}
	*l = Ints{n: uint8(len(f))}
	for i, w := range f {
		v, err := strconv.Atoi(w)
		if err != nil {
			return err
		}
		l.v[i] = v
	}
	return nil
}
