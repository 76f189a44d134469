package deltaloom

import (
	"fmt"
	"testing"
)

func TestEqualSplit(t *testing.T) {
	for _, c := range []struct {
		left   []int
		ubatch int
		want   string // the steps
	}{
		{nil, 4, ""},
		{[]int{0, 0}, 4, ""},
		{[]int{5}, 8, "[0]x5 "},
		{[]int{5}, 2, "[0]x2 [0]x2 [0]x1 "},
		{[]int{3, 3}, 6, "[0 1]x3 "},
		{[]int{3, 3}, 5, "[0 1]x2 [0 1]x1 "},
		{[]int{1, 9, 1}, 16, "[0 1 2]x1 [1]x8 "},
		{[]int{4, 0, 2}, 16, "[0 2]x2 [0]x2 "},
		{[]int{1, 1, 1, 1, 1}, 2, "[0 1]x1 [2 3]x1 [4]x1 "},
		{[]int{2, 3, 1}, 1, "[0]x1 [0]x1 [1]x1 [1]x1 [1]x1 [2]x1 "},
	} {
		got := ""
		left := append([]int(nil), c.left...)
		for {
			seqs, n := equalSplit(nil, left, c.ubatch)
			if len(seqs) == 0 {
				break
			}
			if n < 1 || n*len(seqs) > c.ubatch {
				t.Fatalf("%v ubatch %d: a step of %v x %d", c.left, c.ubatch, seqs, n)
			}
			got += fmt.Sprintf("%vx%d ", seqs, n)
			for _, i := range seqs {
				left[i] -= n
			}
		}
		if got != c.want {
			t.Errorf("%v ubatch %d: %q, want %q", c.left, c.ubatch, got, c.want)
		}
	}
}
