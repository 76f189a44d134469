package deltaloom

import "testing"

func TestTopOf(t *testing.T) {
	for _, test := range []struct {
		tops        []int
		vocab, want int
	}{
		{[]int{1}, 100, 1}, {[]int{1, 3}, 100, 4}, {[]int{40, 2}, 100, 64}, {[]int{64}, 100, 64}, {[]int{5}, 6, 6}, {[]int{5, 0}, 100, 0},
	} {
		var turns []*turn
		for _, n := range test.tops {
			turns = append(turns, &turn{answer: &answer{top: n}})
		}
		if got := topOf(turns, test.vocab); got != test.want {
			t.Errorf("%v of %d: %d, want %d", test.tops, test.vocab, got, test.want)
		}
	}
}
