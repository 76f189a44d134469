package cpu

import "github.com/deltaloom/deltaloom/graph"

// nest is a loop over a dense result that steps through operands of other
// layouts at the same time.
type nest struct {
	dims  []int
	steps [][]int // of each operand: elements from one index of an axis to the next
}

// newNest returns the nest of a result of extents dims; steps has one entry an
// operand. Axes that all operands run through without a jump are joined.
func newNest(dims []int, steps ...[]int) nest {
	n := nest{dims: []int{1}, steps: make([][]int, len(steps))}
	for i := range steps {
		n.steps[i] = []int{0}
	}
	for axis, d := range dims {
		if d == 1 {
			continue
		}
		last := len(n.dims) - 1
		joins := true
		for i, s := range steps {
			joins = joins && n.steps[i][last] == s[axis]*d
		}
		switch {
		case n.dims[last] == 1:
			n.dims[last] = d
			for i, s := range steps {
				n.steps[i][last] = s[axis]
			}
		case joins:
			n.dims[last] *= d
			for i, s := range steps {
				n.steps[i][last] = s[axis]
			}
		default:
			n.dims = append(n.dims, d)
			for i, s := range steps {
				n.steps[i] = append(n.steps[i], s[axis])
			}
		}
	}
	return n
}

// inner is the length of the innermost loop, rows how often it is begun.
func (n nest) inner() int { return n.dims[len(n.dims)-1] }

func (n nest) rows() int {
	r := 1
	for _, d := range n.dims[:len(n.dims)-1] {
		r *= d
	}
	return r
}

// step is operand i's step in the innermost loop.
func (n nest) step(i int) int { return n.steps[i][len(n.dims)-1] }

// at returns where operand i is at the beginning of a row.
func (n nest) at(i, row int) int {
	off := 0
	for axis := len(n.dims) - 2; axis >= 0; axis-- {
		off += row % n.dims[axis] * n.steps[i][axis]
		row /= n.dims[axis]
	}
	return off
}

// denseSteps returns the steps of a dense tensor.
func denseSteps(dims []int) []int {
	s := make([]int, len(dims))
	n := 1
	for i := len(dims) - 1; i >= 0; i-- {
		s[i] = n
		n *= dims[i]
	}
	return s
}

// broadcastSteps returns the steps of a dense operand under extents dims, aligned
// at the last axis.
func broadcastSteps(dims []int, s graph.Shape) []int {
	from := s.Dims()
	steps := make([]int, len(dims))
	skip := len(dims) - len(from)
	for i, n := range denseSteps(from) {
		if from[i] == dims[skip+i] {
			steps[skip+i] = n
		}
	}
	return steps
}

// batch finds the matrices of two operands [… R C], whose leading axes
// broadcast, that belong to a matrix of the result.
type batch struct {
	dims  []int
	steps [2][]int // in matrices
}

func newBatch(dims []int, a, b graph.Shape) batch {
	l := batch{dims: dims}
	for i, s := range []graph.Shape{a, b} {
		from := s.Dims()[:s.Rank()-2]
		l.steps[i] = make([]int, len(dims))
		skip := len(dims) - len(from)
		for j, n := range denseSteps(from) {
			if from[j] == dims[skip+j] {
				l.steps[i][skip+j] = n
			}
		}
	}
	return l
}

func (l batch) at(u int) (a, b int) {
	for axis := len(l.dims) - 1; axis >= 0; axis-- {
		i := u % l.dims[axis]
		u /= l.dims[axis]
		a += i * l.steps[0][axis]
		b += i * l.steps[1][axis]
	}
	return a, b
}

func product(dims []int) int {
	n := 1
	for _, d := range dims {
		n *= d
	}
	return n
}

func ceil(a, b int) int { return (a + b - 1) / b }
