package ops

import "github.com/deltaloom/deltaloom/graph"

// nest is a loop over a dense result that steps through two operands at the
// same time.
type nest struct {
	dims []int    // extents of the result
	step [2][]int // elements from one index of an axis to the next, 0 where it is stretched
}

// newNest broadcasts operands of extents a and b to dims.
func newNest(dims, a, b []int) nest {
	return merged(nest{dims, [2][]int{stretch(dims, a), stretch(dims, b)}})
}

// strides returns the steps of a dense tensor.
func strides(dims []int) []int {
	s := make([]int, len(dims))
	n := 1
	for i := len(dims) - 1; i >= 0; i-- {
		s[i] = n
		n *= dims[i]
	}
	return s
}

// stretch returns the steps of an operand of extents from seen under extents
// dims, aligned at the last axis.
func stretch(dims, from []int) []int {
	s := make([]int, len(dims))
	skip := len(dims) - len(from)
	for i, n := range strides(from) {
		if from[i] == dims[skip+i] {
			s[skip+i] = n
		}
	}
	return s
}

// merged joins axes that both operands run through without a jump, so that the
// inner loop is as long as it can be: for equal shapes it is the only one.
func merged(n nest) nest {
	r := nest{dims: []int{1}, step: [2][]int{{0}, {0}}}
	for i, d := range n.dims {
		last := len(r.dims) - 1
		a, b := n.step[0][i], n.step[1][i]
		switch {
		case d == 1:
		case r.dims[last] == 1:
			r.dims[last], r.step[0][last], r.step[1][last] = d, a, b
		case r.step[0][last] == a*d && r.step[1][last] == b*d:
			r.dims[last], r.step[0][last], r.step[1][last] = r.dims[last]*d, a, b
		default:
			r.dims = append(r.dims, d)
			r.step[0], r.step[1] = append(r.step[0], a), append(r.step[1], b)
		}
	}
	return r
}

// row is one pass of the inner loop: n elements of the result from out, those of
// operand i from at[i] in steps of step[i].
type row struct {
	n, out   int
	at, step [2]int
}

// rows calls f for every pass of the inner loop, in order.
func (n nest) rows(f func(row)) {
	last := len(n.dims) - 1
	r := row{n: n.dims[last], step: [2]int{n.step[0][last], n.step[1][last]}}
	var count [graph.MaxRank]int
	for {
		f(r)
		r.out += r.n
		axis := last - 1
		for ; axis >= 0; axis-- {
			count[axis]++
			r.at[0] += n.step[0][axis]
			r.at[1] += n.step[1][axis]
			if count[axis] < n.dims[axis] {
				break
			}
			r.at[0] -= n.step[0][axis] * n.dims[axis]
			r.at[1] -= n.step[1][axis] * n.dims[axis]
			count[axis] = 0
		}
		if axis < 0 {
			return
		}
	}
}

// pairs calls f with the number of every element of extents dims and of the
// elements of a and b that meet there: the batches of an op whose leading axes
// broadcast.
func pairs(dims, a, b []int, f func(out, a, b int)) {
	newNest(dims, a, b).rows(func(r row) {
		for i := range r.n {
			f(r.out+i, r.at[0]+i*r.step[0], r.at[1]+i*r.step[1])
		}
	})
}

// lastRows calls f for each row of the last axis of x and y, which have equal
// leading axes.
func lastRows(x, y graph.Tensor, f func(x, y []float32)) {
	n, m := x.Shape.Dim(-1), y.Shape.Dim(-1)
	for i := range len(x.F) / n {
		f(x.F[i*n:(i+1)*n], y.F[i*m:(i+1)*m])
	}
}
