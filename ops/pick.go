package ops

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/sample"
)

// DrawWords is how many numbers hold a sample.Draw: TopK, and the halves, low before
// high, of Random and of the bits of Temperature, TopP and MinP.
const DrawWords = 9

// PutDraw writes a draw as pick reads it.
func PutDraw(to []int32, d sample.Draw) {
	to[0] = int32(min(d.TopK, math.MaxInt32))
	for i, v := range [...]uint64{d.Random, math.Float64bits(d.Temperature), math.Float64bits(d.TopP), math.Float64bits(d.MinP)} {
		to[1+2*i], to[2+2*i] = int32(uint32(v)), int32(v>>32)
	}
}

func drawOf(words []int32) sample.Draw {
	word := func(i int) uint64 { return uint64(uint32(words[1+2*i])) | uint64(uint32(words[2+2*i]))<<32 }
	return sample.Draw{TopK: int(words[0]), Random: word(0), Temperature: math.Float64frombits(word(1)),
		TopP: math.Float64frombits(word(2)), MinP: math.Float64frombits(word(3))}
}

var PickOp = graph.Register(&graph.Op{
	Name: "pick",
	Doc: `The token of each row that sample.Draw picks of the likeliest ones. logits [B K] with the largest first, ids
i32 [B K], draw i32 [B 9]; y i32 [B], -1 where no logit is finite. Sums and exponentials are of double precision, so
that the same numbers pick the same tokens everywhere.`,
	Arity: 3,
	Infer: func(in []graph.Shape, _ graph.Attrs) ([]graph.Shape, error) {
		logits, ids, draw := in[0], in[1], in[2]
		if err := wantF32(2, logits); err != nil {
			return nil, err
		}
		if logits.Rank() != 2 || ids != i32(logits.Dims()...) || draw != i32(logits.Dim(0), DrawWords) {
			return nil, fmt.Errorf("have %v, %v and %v, want f32[B K], i32[B K] and i32[B %d]", logits, ids, draw, DrawWords)
		}
		return result(graph.I32, logits.Dim(0))
	},
	Eval: func(in []graph.Tensor, _ graph.Attrs, out []graph.Tensor) {
		k := in[0].Shape.Dim(1)
		for b := range out[0].I {
			out[0].I[b] = -1
			if at := drawOf(in[2].I[b*DrawWords:]).Of(in[0].F[b*k : (b+1)*k]); at >= 0 {
				out[0].I[b] = in[1].I[b*k+at]
			}
		}
	},
	Cases: pickCases,
})

// Pick picks a token of each row: logits [B K], ids i32 [B K], draw i32 [B 9] -> i32 [B].
func Pick(logits, ids, draw graph.Value) graph.Value { return one(PickOp, nil, logits, ids, draw) }

// pickCases draw many rows in every way, some of them of logits that are no numbers.
func pickCases(yield func(graph.Case) bool) {
	fill := func(i int, t graph.Tensor, r *rand.Rand) {
		k := t.Shape.Dim(1)
		switch i {
		case 0:
			for b := range t.Shape.Dim(0) {
				row := t.F[b*k : (b+1)*k]
				for j := range row {
					row[j] = float32(r.NormFloat64() * 3)
				}
				slices.Sort(row)
				slices.Reverse(row)
				if b%5 == 1 {
					row[0] = float32(math.Inf(1))
				}
				if b%5 == 2 {
					row[k-1] = float32(math.NaN())
				}
			}
		case 1:
			for j := range t.I {
				t.I[j] = int32(r.IntN(1000))
			}
		case 2:
			for b := range t.Shape.Dim(0) {
				d := sample.Draw{Random: r.Uint64(), Temperature: []float64{0, 1, 0.7, 1.3}[r.IntN(4)], TopK: 1 + r.IntN(k+k/2)}
				if r.IntN(2) == 0 {
					d.TopP = r.Float64()
				}
				if r.IntN(2) == 0 {
					d.MinP = r.Float64() / 4
				}
				PutDraw(t.I[b*DrawWords:], d)
			}
		}
	}
	caseList(
		graph.Case{In: shapes(f32(3, 1), i32(3, 1), i32(3, DrawWords)), Fill: fill},
		graph.Case{In: shapes(f32(40, 7), i32(40, 7), i32(40, DrawWords)), Fill: fill},
		graph.Case{In: shapes(f32(40, 64), i32(40, 64), i32(40, DrawWords)), Fill: fill},
		graph.Case{In: shapes(f32(5, 500), i32(5, 500), i32(5, DrawWords)), Fill: fill},
	)(yield)
}
