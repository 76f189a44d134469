package cuda

import (
	"fmt"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
	"github.com/deltaloom/deltaloom/runtime/lower"
)

func init() {
	register(gather, ops.ReshapeOp, ops.PermuteOp, ops.SliceOp, ops.BroadcastOp, ops.RepeatOp, ops.ContOp)
	register(concat, ops.ConcatOp)
	register(pad, ops.PadOp)
	register(scatter, ops.ScatterRowsOp)
}

// unit is the largest word, in bytes, that all lengths are multiples of.
func unit(lengths ...int) int {
	u := 4
	for _, n := range lengths {
		for n%u != 0 {
			u /= 2
		}
	}
	return u
}

type gatherParams struct {
	N, Axes, First, Size uint32
	Dims, Steps          [6]uint32
}

// gather copies pieces from where a view finds them.
func gather(n *graph.Node, p *plan) error {
	l := lower.ViewOf(n)
	pieces := l.Rows() * l.Inner()
	if err := small(max(pieces, n.In(0).Shape().Len())); err != nil {
		return err
	}
	params := gatherParams{N: uint32(pieces), Axes: uint32(len(l.Dims)), First: uint32(l.First), Size: uint32(l.Bytes)}
	if len(l.Dims) > len(params.Dims) {
		return unsupported("%d axes that do not join", len(l.Dims))
	}
	fill(params.Dims[:], l.Dims)
	fill(params.Steps[:], l.Steps[0])
	word := unit(l.Bytes)
	if word == 4 && l.Bytes > 4 {
		word = 2
	}
	p.launch(fmt.Sprintf("gather_%d", 8*word), along(pieces), line(threads), params, p.in(0), p.out(0))
	return nil
}

type rowsParams struct{ Rows, From, To, XRow, YRow, YAt uint32 }

// copyRows copies rows of x_row bytes to rows of y_row bytes at y_at, continued
// with zeros up to to bytes.
func (p *plan) copyRows(x, y buffer, rows, xRow, to, yRow, yAt int) error {
	if err := small(rows * to); err != nil {
		return err
	}
	u := unit(xRow, to, yRow, yAt)
	p.launch(fmt.Sprintf("copy_rows_%d", 8*u), along(rows*to/u), line(threads),
		rowsParams{uint32(rows), uint32(xRow / u), uint32(to / u), uint32(xRow / u), uint32(yRow / u), uint32(yAt / u)}, x, y)
	return nil
}

func concat(n *graph.Node, p *plan) error {
	axis := n.Attrs().(ops.ConcatAttrs).Axis
	dims, size := lower.Pieces(n.Out(0).Shape())
	rows, whole := lower.Product(dims[:axis]), lower.Product(dims[axis:])*size
	at := 0
	for i := range n.NumIn() {
		d, _ := lower.Pieces(n.In(i).Shape())
		part := lower.Product(d[axis:]) * size
		if err := p.copyRows(p.in(i), p.out(0), rows, part, part, whole, at); err != nil {
			return err
		}
		at += part
	}
	return nil
}

func pad(n *graph.Node, p *plan) error {
	rows := lower.Product(n.In(0).Shape().Dims()[:n.Attrs().(ops.PadAttrs).Axis])
	from, to := int(n.In(0).Shape().Bytes())/rows, int(n.Out(0).Shape().Bytes())/rows
	return p.copyRows(p.in(0), p.out(0), rows, from, to, to, 0)
}

type scatterParams struct{ Units, Rows uint32 }

// scatter copies what is not there yet, then the new rows.
func scatter(n *graph.Node, p *plan) error {
	x, count := n.In(0).Shape(), n.In(1).Shape().Len()
	function, units := "scatter_rows_8", int(x.Bytes())/x.Dim(0)
	switch {
	case n.In(2).Shape().DType != x.DType:
		function, units = "scatter_rows_to_f16", x.Len()/x.Dim(0)
	case units%4 == 0:
		function, units = "scatter_rows_32", units/4
	}
	p.copyTo(0, 0)
	p.launch(function, dim{count, lower.Ceil(units, threads), 1}, line(threads), scatterParams{uint32(units), uint32(x.Dim(0))}, p.in(1), p.in(2), p.out(0))
	return nil
}
