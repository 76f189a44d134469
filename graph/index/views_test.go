package index_test

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/deltaloom/deltaloom/graph/index"
)

// The brute force that the tests compare with: arrays of numbers, and views that
// really move them.

type array struct {
	dims []int
	data []int
}

func length(dims []int) int {
	n := 1
	for _, d := range dims {
		n *= d
	}
	return n
}

// iota numbers the elements of an array.
func iota(dims []int) array {
	a := array{slices.Clone(dims), make([]int, length(dims))}
	for i := range a.data {
		a.data[i] = i
	}
	return a
}

func coords(i int, dims []int) []int {
	c := make([]int, len(dims))
	for a := len(dims) - 1; a >= 0; a-- {
		c[a] = i % dims[a]
		i /= dims[a]
	}
	return c
}

func linear(c, dims []int) int {
	i := 0
	for a, d := range dims {
		i = i*d + c[a]
	}
	return i
}

// gather makes an array whose element at c is the one of a that at(c) names.
func gather(a array, dims []int, at func(c []int) []int) array {
	r := array{slices.Clone(dims), make([]int, length(dims))}
	for i := range r.data {
		r.data[i] = a.data[linear(at(coords(i, dims)), a.dims)]
	}
	return r
}

// apply runs one move, or says why it is not one.
func apply(a array, m index.Move) (array, error) {
	bad := fmt.Errorf("move %v does not fit %v", m, a.dims)
	switch m.Kind {
	case index.Reshape:
		if length(m.Args) != len(a.data) || slices.Contains(m.Args, 0) {
			return a, bad
		}
		return array{slices.Clone(m.Args), a.data}, nil
	case index.Permute:
		sorted := slices.Sorted(slices.Values(m.Args))
		dims := make([]int, len(m.Args))
		for i, p := range m.Args {
			if len(m.Args) != len(a.dims) || sorted[i] != i {
				return a, bad
			}
			dims[i] = a.dims[p]
		}
		return gather(a, dims, func(c []int) []int {
			from := make([]int, len(c))
			for i, p := range m.Args {
				from[p] = c[i]
			}
			return from
		}), nil
	case index.Slice:
		if len(m.Args) != 3 {
			return a, bad
		}
		axis, start, n := m.Args[0], m.Args[1], m.Args[2]
		if axis < 0 || axis >= len(a.dims) || start < 0 || n < 1 || start+n > a.dims[axis] {
			return a, bad
		}
		dims := slices.Clone(a.dims)
		dims[axis] = n
		return gather(a, dims, func(c []int) []int {
			c[axis] += start
			return c
		}), nil
	case index.Broadcast:
		skip := len(m.Args) - len(a.dims)
		if skip < 0 {
			return a, bad
		}
		for i, d := range a.dims {
			if d != 1 && d != m.Args[skip+i] {
				return a, bad
			}
		}
		return gather(a, m.Args, func(c []int) []int {
			c = c[skip:]
			for i, d := range a.dims {
				if d == 1 {
					c[i] = 0
				}
			}
			return c
		}), nil
	}
	return a, bad
}

// step is a view with the extents of its operand.
type step struct {
	index.Move
	dims []int
}

// chain returns n random views, last one first, that end in an array of these
// extents.
func chain(r *rand.Rand, dims []int, n int) []step {
	var steps []step
	for range n {
		s := step{dims: slices.Clone(dims)}
		rank := len(dims)
		switch k := r.IntN(4); {
		case k == 0:
			s.Kind, s.Args, s.dims = index.Reshape, slices.Clone(dims), factors(r, length(dims))
		case k == 1 && rank > 1:
			s.Kind, s.Args = index.Permute, r.Perm(rank)
			for i, p := range s.Args {
				s.dims[p] = dims[i]
			}
		case k == 2 && rank > 0:
			axis := r.IntN(rank)
			s.dims[axis] += r.IntN(4)
			if r.IntN(2) == 0 {
				s.dims[axis] = dims[axis] * (1 + r.IntN(2))
			}
			start := r.IntN(s.dims[axis] - dims[axis] + 1)
			if r.IntN(2) == 0 {
				start -= start % dims[axis]
			}
			s.Kind, s.Args = index.Slice, []int{axis, start, dims[axis]}
		case k == 3 && rank > 0:
			s.Kind, s.Args = index.Broadcast, slices.Clone(dims)
			for a := range s.dims {
				if r.IntN(3) == 0 {
					s.dims[a] = 1
				}
			}
			s.dims = s.dims[r.IntN(2):]
		default:
			continue
		}
		steps = append(steps, s)
		dims = s.dims
	}
	return steps
}

// factors returns random extents of this product.
func factors(r *rand.Rand, n int) []int {
	var dims []int
	for p := 2; n > 1; {
		if n%p != 0 {
			p++
			continue
		}
		n /= p
		if len(dims) > 0 && (r.IntN(2) == 0 || len(dims) > 4) {
			dims[r.IntN(len(dims))] *= p
		} else {
			dims = slices.Insert(dims, r.IntN(len(dims)+1), p)
		}
	}
	if len(dims) < 5 && r.IntN(3) == 0 {
		dims = slices.Insert(dims, r.IntN(len(dims)+1), 1)
	}
	return dims
}

// extents returns random small ones.
func extents(r *rand.Rand) []int {
	dims := make([]int, r.IntN(4))
	for i := range dims {
		dims[i] = []int{1, 2, 2, 3, 4, 6}[r.IntN(6)]
	}
	return dims
}

// run applies the chain to the array at its end.
func run(steps []step, dims []int) array {
	if len(steps) > 0 {
		dims = steps[len(steps)-1].dims
	}
	a := iota(dims)
	for _, s := range slices.Backward(steps) {
		var err error
		if a, err = apply(a, s.Move); err != nil {
			panic(err) // the generator is wrong
		}
	}
	return a
}

// follow moves one side of the map through the chain, from result to operand.
func follow(m *index.Map, side index.Side, steps []step) bool {
	for _, s := range steps {
		switch s.Kind {
		case index.Reshape:
			if !m.Reshape(side, s.dims) {
				return false
			}
		case index.Permute:
			m.Permute(side, s.Args)
		case index.Slice:
			m.Slice(side, s.Args[0], s.Args[1], s.dims[s.Args[0]])
		case index.Broadcast:
			m.Broadcast(side, s.dims)
		}
	}
	return true
}

type pair struct{ from, to int }

// pairs lists what a map relates: the numbers of the elements of both sides, for
// each setting of the digits, and whether all of them exist.
func pairs(m *index.Map) (map[pair]bool, error) {
	all := map[pair]bool{}
	for i := range length(m.Size) {
		digits := coords(i, m.Size)
		var at [2]int
		for side, forms := range m.Forms {
			if len(forms) != len(m.Dims[side]) {
				return nil, fmt.Errorf("%d forms for extents %v", len(forms), m.Dims[side])
			}
			for a, f := range forms {
				x := f.Off
				for _, t := range f.Terms {
					x += t.Coef * digits[t.Digit]
				}
				if x < 0 || x >= m.Dims[side][a] {
					return nil, fmt.Errorf("index %d of axis %d of %v", x, a, m.Dims[side])
				}
				at[side] = at[side]*m.Dims[side][a] + x
			}
		}
		all[pair{at[0], at[1]}] = true
	}
	return all, nil
}

// function returns the relation as a function of its From side, where it is one.
func function(rel map[pair]bool) (map[int]int, bool) {
	f := map[int]int{}
	for p := range rel {
		if to, ok := f[p.from]; ok && to != p.to {
			return nil, false
		}
		f[p.from] = p.to
	}
	return f, true
}
