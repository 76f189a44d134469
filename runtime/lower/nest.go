package lower

import "github.com/deltaloom/deltaloom/graph"

// Nest is a loop over a dense result that steps through operands of other
// layouts at the same time.
type Nest struct {
	Dims  []int
	Steps [][]int // of each operand: elements from one index of an axis to the next
}

// NewNest returns the nest of a result of extents dims; steps has one entry an
// operand. Axes that all operands run through without a jump are joined.
func NewNest(dims []int, steps ...[]int) Nest {
	n := Nest{Dims: []int{1}, Steps: make([][]int, len(steps))}
	for i := range steps {
		n.Steps[i] = []int{0}
	}
	for axis, d := range dims {
		if d == 1 {
			continue
		}
		last := len(n.Dims) - 1
		joins := true
		for i, s := range steps {
			joins = joins && n.Steps[i][last] == s[axis]*d
		}
		switch {
		case n.Dims[last] == 1:
			n.Dims[last] = d
			for i, s := range steps {
				n.Steps[i][last] = s[axis]
			}
		case joins:
			n.Dims[last] *= d
			for i, s := range steps {
				n.Steps[i][last] = s[axis]
			}
		default:
			n.Dims = append(n.Dims, d)
			for i, s := range steps {
				n.Steps[i] = append(n.Steps[i], s[axis])
			}
		}
	}
	return n
}

// Inner is the length of the innermost loop, Rows how often it is begun.
func (n Nest) Inner() int { return n.Dims[len(n.Dims)-1] }

func (n Nest) Rows() int {
	r := 1
	for _, d := range n.Dims[:len(n.Dims)-1] {
		r *= d
	}
	return r
}

// Step is operand i's step in the innermost loop.
func (n Nest) Step(i int) int { return n.Steps[i][len(n.Dims)-1] }

// At returns where operand i is at the beginning of a row.
func (n Nest) At(i, row int) int {
	off := 0
	for axis := len(n.Dims) - 2; axis >= 0; axis-- {
		off += row % n.Dims[axis] * n.Steps[i][axis]
		row /= n.Dims[axis]
	}
	return off
}

// DenseSteps returns the steps of a dense tensor.
func DenseSteps(dims []int) []int {
	s := make([]int, len(dims))
	n := 1
	for i := len(dims) - 1; i >= 0; i-- {
		s[i] = n
		n *= dims[i]
	}
	return s
}

// BroadcastSteps returns the steps of a dense operand under extents dims, aligned
// at the last axis.
func BroadcastSteps(dims []int, s graph.Shape) []int {
	from := s.Dims()
	steps := make([]int, len(dims))
	skip := len(dims) - len(from)
	for i, n := range DenseSteps(from) {
		if from[i] == dims[skip+i] {
			steps[skip+i] = n
		}
	}
	return steps
}

// Batch finds the matrices of two operands [… R C], whose leading axes
// broadcast, that belong to a matrix of the result.
type Batch struct {
	Dims  []int
	Steps [2][]int // in matrices
}

func NewBatch(dims []int, a, b graph.Shape) Batch {
	l := Batch{Dims: dims}
	for i, s := range []graph.Shape{a, b} {
		from := s.Dims()[:s.Rank()-2]
		l.Steps[i] = make([]int, len(dims))
		skip := len(dims) - len(from)
		for j, n := range DenseSteps(from) {
			if from[j] == dims[skip+j] {
				l.Steps[i][skip+j] = n
			}
		}
	}
	return l
}

func (l Batch) At(u int) (a, b int) {
	for axis := len(l.Dims) - 1; axis >= 0; axis-- {
		i := u % l.Dims[axis]
		u /= l.Dims[axis]
		a += i * l.Steps[0][axis]
		b += i * l.Steps[1][axis]
	}
	return a, b
}

func Product(dims []int) int {
	n := 1
	for _, d := range dims {
		n *= d
	}
	return n
}

func Ceil(a, b int) int { return (a + b - 1) / b }
