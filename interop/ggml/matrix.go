package ggml

import (
	"errors"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
)

// mulMat is x wᵀ for w [K N ...], x [K M ...], both fastest axis first. The
// outer axes of w serve those of x by division: r indices of x after another
// share one of w.
func mulMat(c *call) graph.Value {
	w, x := c.t.src[0], c.t.src[1]
	var lw, lx []int // leading axes, with each shared one of x as two
	for _, a := range []int{3, 2} {
		nw, nx := w.ne[a], x.ne[a]
		switch {
		case nw == 0 || nx%nw != 0:
			c.fail("%d matrices for %d along axis %d", nw, nx, a)
			return graph.Value{}
		case nw == nx && (nx > 1 || len(lx) > 0):
			lw, lx = append(lw, nw), append(lx, nx)
		case nw == 1 && nx > 1:
			lw, lx = append(lw, 1), append(lx, nx)
		case nw != nx:
			lw, lx = append(lw, nw, 1), append(lx, nw, nx/nw)
		}
	}
	for len(lw) > 0 && lw[0] == 1 { // broadcasts by itself
		lw = lw[1:]
	}
	vw := reshape(c.in(0), append(lw, w.ne[1], w.ne[0]))
	vx := reshape(c.in(1), append(lx, x.ne[1], x.ne[0]))
	return reshape(ops.MatMul(vx, vw), c.t.shape())
}

// mulMatID is x wᵀ with the matrix of w [K N E] that ids [U T] chooses for each
// of U slots of T tokens; x [K U T], or fewer slots, which repeat.
func mulMatID(c *call) graph.Value {
	w, x, ids := c.as(0, 3), c.as(1, 3), c.as(2, 2)
	if have, want := x.Shape().Dim(1), ids.Shape().Dim(1); have != 1 && have != want {
		if want%have != 0 {
			c.fail("%d rows for %d slots", have, want)
			return graph.Value{}
		}
		x = ops.Repeat(x, 1, want/have, ops.RepeatTiled)
	}
	return ops.ExpertMatMul(x, w, ids)
}

// ssmConv filters x [d-1+T C B] with w [d C] along time and puts channels first:
// [C T B].
func ssmConv(c *call) graph.Value {
	x := ops.Permute(c.as(0, 3), 0, 2, 1) // [B d-1+T C]
	return ops.CausalConv(x, c.as(1, 2))  // [B T C]
}

func tri(c *call) graph.Value {
	kinds := [...]ops.TriKind{ops.Upper, ops.StrictUpper, ops.Lower, ops.StrictLower}
	k := c.t.params[0]
	if k < 0 || int(k) >= len(kinds) {
		c.fail("triangle %d: %w", k, errors.ErrUnsupported)
		return graph.Value{}
	}
	return ops.Tri(c.in(0), kinds[k])
}

// diag puts rows [n 1 ...] on the diagonals of matrices [n n ...].
func diag(c *call) graph.Value {
	s := c.t.src[0]
	if s.ne[1] != 1 {
		c.fail("source 0 has extents %v, want one row", s.ne)
		return graph.Value{}
	}
	var lead []int
	for _, n := range []int{s.ne[3], s.ne[2]} {
		if n > 1 || len(lead) > 0 {
			lead = append(lead, n)
		}
	}
	return ops.Diag(reshape(c.in(0), append(lead, s.ne[0])))
}
