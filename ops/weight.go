package ops

import (
	"fmt"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/quant"
)

// dataError is what an Eval panics with where the data, not the graph, is wrong.
// EvalNode makes an error of it.
type dataError struct{ error }

func fail(format string, args ...any) { panic(dataError{fmt.Errorf(format, args...)}) }

// checkIndex returns an index that data holds, after a look at its range.
func checkIndex(i int32, n int) int {
	if i < 0 || int(i) >= n {
		fail("index %d is not in 0..%d", i, n-1)
	}
	return int(i)
}

// weightRows reads a tensor of any type in rows of n elements.
type weightRows struct {
	t   graph.Tensor
	n   int
	buf []float32
}

func newWeightRows(t graph.Tensor, n int) *weightRows {
	w := &weightRows{t: t, n: n}
	if t.Shape.DType != graph.F32 {
		w.buf = make([]float32, n)
	}
	return w
}

// at returns row i, until the next call.
func (w *weightRows) at(i int) []float32 {
	if w.buf == nil {
		return w.t.F[i*w.n : (i+1)*w.n]
	}
	size := int(w.t.Shape.DType.Bytes(w.n))
	if err := quant.Unpack(w.t.Shape.DType, w.buf, w.t.Raw[i*size:(i+1)*size]); err != nil {
		fail("%w", err)
	}
	return w.buf
}

// activations returns the rows of n elements of x as a product with this type of
// weight takes them, rounded or not, in float64.
func activations(x graph.Tensor, n int, weight graph.DType, round quant.Rounding) []float64 {
	y := make([]float64, len(x.F))
	if round == quant.Float || weight == graph.F32 {
		for i, v := range x.F {
			y[i] = float64(v)
		}
		return y
	}
	row := make([]float32, n)
	for at := 0; at < len(y); at += n {
		copy(row, x.F[at:])
		if err := quant.RoundActivations(round, weight, row); err != nil {
			fail("%w", err)
		}
		for i, v := range row {
			y[at+i] = float64(v)
		}
	}
	return y
}

// dot adds in an order that depends on the length alone, so a row of a product
// has the same bits whatever the other rows are.
func dot(x []float64, w []float32) float64 {
	var a, b, c, d float64
	x = x[:len(w)]
	i := 0
	for ; i+4 <= len(w); i += 4 {
		x, w := x[i:i+4:i+4], w[i:i+4:i+4]
		a += x[0] * float64(w[0])
		b += x[1] * float64(w[1])
		c += x[2] * float64(w[2])
		d += x[3] * float64(w[3])
	}
	for ; i < len(w); i++ {
		a += x[i] * float64(w[i])
	}
	return a + b + (c + d)
}
