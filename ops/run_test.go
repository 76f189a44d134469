package ops

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/quant"
)

func parse(t *testing.T, text string) *graph.Graph {
	t.Helper()
	g, err := graph.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func vector(x ...float32) graph.Tensor { return graph.Tensor{Shape: f32(len(x)), F: x} }

const counter = `
%n = state "n" : f32[2]
%x = input "x" : f32[2]
%w = weight "w" : f32[2]
%sum = add(%n, %x)
%y = mul(%sum, %w) @blk.0
output "y" = %y
output "x again" = %x
next %n = %sum
`

func TestRunCarriesStates(t *testing.T) {
	g := parse(t, counter)
	feeds := map[string]graph.Tensor{"n": vector(0, 0), "x": vector(1, 2), "w": vector(10, 100), "spare": {}}
	for step := range 3 {
		r, err := Run(g, feeds)
		if err != nil {
			t.Fatal(err)
		}
		n := float32(step + 1)
		if err := sameBits(r.Outputs["y"], vector(10*n, 200*n)); err != nil {
			t.Errorf("step %d: y: %v", step, err)
		}
		if err := sameBits(r.Outputs["x again"], vector(1, 2)); err != nil {
			t.Errorf("step %d: %v", step, err)
		}
		feeds["n"] = r.States["n"]
	}
	if err := sameBits(feeds["w"], vector(10, 100)); err != nil {
		t.Errorf("a feed was written to: %v", err)
	}
}

func TestRunErrors(t *testing.T) {
	good := func() map[string]graph.Tensor {
		return map[string]graph.Tensor{"n": vector(0, 0), "x": vector(1, 2), "w": vector(10, 100)}
	}
	for _, c := range []struct {
		want   string
		change func(map[string]graph.Tensor)
		opts   []Option
	}{
		{`weight "w": not fed, want f32[2]`, func(f map[string]graph.Tensor) { delete(f, "w") }, nil},
		{`state "n": fed f32[3], want f32[2]`, func(f map[string]graph.Tensor) { f["n"] = vector(1, 2, 3) }, nil},
		{`input "x": fed f32[2] with 1 values`, func(f map[string]graph.Tensor) { f["x"] = graph.Tensor{Shape: f32(2), F: []float32{1}} }, nil},
		{`blk.0: mul: values in use would exceed 12 bytes`, nil, []Option{MaxBytes(12)}},
	} {
		feeds := good()
		if c.change != nil {
			c.change(feeds)
		}
		if _, err := Run(parse(t, counter), feeds, c.opts...); err == nil || err.Error() != c.want {
			t.Errorf("%v, want %s", err, c.want)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Run(parse(t, counter), good(), WithContext(ctx)); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want the context's error", err)
	}
}

func TestRunFreesValues(t *testing.T) {
	text := "%0 = input \"x\" : f32[2]\n"
	for i := range 100 {
		text += fmt.Sprintf("%%%d = exp(%%%d)\n", i+1, i)
	}
	g := parse(t, text+"output \"y\" = %100\n")
	if _, err := Run(g, map[string]graph.Tensor{"x": vector(0, 1)}, MaxBytes(16)); err != nil {
		t.Error(err) // two values of 8 bytes at a time
	}
}

// TestBadData holds that data which an op cannot read makes an error that names
// the node.
func TestBadData(t *testing.T) {
	for line, want := range map[string]string{
		"rows(%x, %i)":                "blk.7: rows: index 9 is not in 0..3",
		"gather_last(%x, %i)":         "blk.7: gather_last: index 9 is not in 0..3",
		"scatter_rows(%x, %i, %src)":  "blk.7: scatter_rows: index 9 is not in 0..3",
		"expert_matmul(%x3, %x3, %i)": "blk.7: expert_matmul: index 9 is not in 0..3",
	} {
		g := parse(t, `
%x = input "x" : f32[4 4]
%x3 = input "x3" : f32[4 1 4]
%src = input "src" : f32[4 1 4]
%i = input "i" : i32[4 1]
%y = `+line+` @blk.7
output "y" = %y
`)
		for _, bad := range []int32{9, -1, math.MinInt32} {
			feeds := map[string]graph.Tensor{"x": graph.NewTensor(f32(4, 4)), "x3": graph.NewTensor(f32(4, 1, 4)),
				"src": graph.NewTensor(f32(4, 1, 4)), "i": {Shape: i32(4, 1), I: []int32{0, 1, 2, bad}}}
			if _, err := Run(g, feeds); err == nil || err.Error() != strings.Replace(want, "9", fmt.Sprint(bad), 1) {
				t.Errorf("%v, want %s", err, want)
			}
		}
	}
}

func TestEvalNodeChecksMemory(t *testing.T) {
	n := caseNode(t, AddOp, graph.Case{In: shapes(f32(2), f32(2))})
	x, short := vector(1, 2), graph.Tensor{Shape: f32(2), F: []float32{1}}
	for want, c := range map[string][2][]graph.Tensor{
		"add: 1 operands and 1 results, want 2 and 1":       {{x}, {x}},
		"add: operand 1: f32[2] with 1 values":              {{x, short}, {x}},
		"add: operand 0: f32[3], want f32[2]":               {{vector(1, 2, 3), x}, {x}},
		"add: result 0: f32[2] with 1 values":               {{x, x}, {short}},
		"add: 2 operands and 2 results, want 2 and 1":       {{x, x}, {x, x}},
		`input "x0": the op has neither Eval nor Decompose`: {},
	} {
		node := n
		if len(c[0]) == 0 {
			node, c[1] = n.In(0).Node(), []graph.Tensor{vector(0, 0)}
		}
		if err := EvalNode(node, c[0], c[1]); err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

var decomposed = &graph.Op{
	Name: "test_linear", Arity: 2,
	Infer: MatMulOp.Infer,
	Decompose: func(in []graph.Value, _ graph.Attrs) []graph.Value {
		return []graph.Value{Neg(MatMul(in[0], in[1]))}
	},
}

var panicking = &graph.Op{
	Name: "test_panic", Arity: 1,
	Infer: sameShape(0),
	Eval:  func(in []graph.Tensor, _ graph.Attrs, _ []graph.Tensor) { _ = in[0].F[len(in[0].F)] },
}

func TestDecomposedOp(t *testing.T) {
	n := caseNode(t, decomposed, graph.Case{In: shapes(f32(1, 2), f32(2, 2))})
	out := results(n)
	in := []graph.Tensor{{Shape: f32(1, 2), F: []float32{1, 2}}, {Shape: f32(2, 2), F: []float32{1, 2, 3, 4}}}
	if err := EvalNode(n, in, out); err != nil {
		t.Fatal(err)
	}
	if err := sameBits(out[0], vector(-5, -11)); err != nil {
		t.Error(err)
	}
}

func TestDecomposeErrors(t *testing.T) {
	x := vector(1)
	for want, f := range map[string]func([]graph.Value, graph.Attrs) []graph.Value{
		"test: decomposes to 0 results, has 1":                                         func([]graph.Value, graph.Attrs) []graph.Value { return nil },
		"test: decomposes to result 0 of shape f32[1 1], has f32[1]":                   func(in []graph.Value, _ graph.Attrs) []graph.Value { return []graph.Value{Diag(in[0])} },
		"test: tri: operand 0 is f32[1], want rank 2 or more":                          func(in []graph.Value, _ graph.Attrs) []graph.Value { return []graph.Value{Tri(in[0], Lower)} },
		"test: test_panic: panic: runtime error: index out of range [1] with length 1": func(in []graph.Value, _ graph.Attrs) []graph.Value { return []graph.Value{one(panicking, nil, in[0])} },
	} {
		n := caseNode(t, &graph.Op{Name: "test", Arity: 1, Infer: sameShape(0), Decompose: f}, graph.Case{In: shapes(f32(1))})
		err := EvalNode(n, []graph.Tensor{x}, []graph.Tensor{vector(0)})
		if err == nil || !strings.HasPrefix(err.Error(), want[:5]) || !strings.HasSuffix(err.Error(), want[6:]) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func TestPanicBecomesError(t *testing.T) {
	n := caseNode(t, panicking, graph.Case{In: shapes(f32(1))})
	if err := EvalNode(n, []graph.Tensor{vector(1)}, []graph.Tensor{vector(1)}); err == nil || !strings.Contains(err.Error(), "test_panic: panic: runtime error: index out of range") {
		t.Error(err)
	}
}

// TestRoundActivations holds that the option gives the product of the rounded
// activations, also inside of a decomposed op, and leaves f32 weights alone.
func TestRoundActivations(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	types := []graph.DType{graph.F32}
	for _, w := range weightTypes {
		types = append(types, w.dt)
	}
	for _, mode := range []quant.Rounding{quant.GGML, quant.Int8} {
		for _, dt := range types {
			for _, op := range []*graph.Op{MatMulOp, ExpertMatMulOp, decomposed} {
				testRoundActivations(t, mode, dt, op, r)
			}
		}
	}
}

func testRoundActivations(t *testing.T, mode quant.Rounding, dt graph.DType, op *graph.Op, r *rand.Rand) {
	const K = 256
	c := graph.Case{In: shapes(f32(3, K), graph.ShapeOf(dt, 5, K))}
	if op == ExpertMatMulOp {
		c = graph.Case{In: shapes(f32(3, 1, K), graph.ShapeOf(dt, 4, 5, K), i32(3, 2)), Fill: indices(4)}
	}
	in, err := Operands(c, r)
	if err != nil {
		t.Fatal(err)
	}
	n := caseNode(t, op, c)
	got, want, plain := results(n), results(n), results(n)
	if err := EvalNode(n, in, got, RoundActivations(mode)); err != nil {
		t.Fatal(err)
	}
	if err := EvalNode(n, in, plain); err != nil {
		t.Fatal(err)
	}
	rounded := append([]graph.Tensor(nil), in...)
	rounded[0] = graph.NewTensor(in[0].Shape)
	copy(rounded[0].F, in[0].F)
	for i := 0; i < len(rounded[0].F); i += K {
		if err := quant.RoundActivations(mode, dt, rounded[0].F[i:i+K]); err != nil {
			t.Fatal(err)
		}
	}
	if err := EvalNode(n, rounded, want); err != nil {
		t.Fatal(err)
	}
	if err := sameBits(got[0], want[0]); err != nil {
		t.Errorf("%s %v: %v", op.Name, dt, err)
	}
	float := dt == graph.F32 || mode == quant.Int8 && (dt == graph.F16 || dt == graph.BF16)
	if same := sameBits(got[0], plain[0]) == nil; same != float {
		t.Errorf("%s %v mode %d: rounding changes nothing: %v", op.Name, dt, mode, same)
	}
}

// TestRowsDoNotDependOnOthers holds that a row of a product has the same bits
// alone and among others: prefill equals decode.
func TestRowsDoNotDependOnOthers(t *testing.T) {
	c := graph.Case{In: shapes(f32(9, 131), f32(17, 131))}
	in, err := Operands(c, rand.New(rand.NewPCG(5, 6)))
	if err != nil {
		t.Fatal(err)
	}
	n := caseNode(t, MatMulOp, c)
	all := results(n)
	if err := EvalNode(n, in, all); err != nil {
		t.Fatal(err)
	}
	one := caseNode(t, MatMulOp, graph.Case{In: shapes(f32(1, 131), f32(17, 131))})
	for m := range 9 {
		out := results(one)
		if err := EvalNode(one, []graph.Tensor{{Shape: f32(1, 131), F: in[0].F[m*131 : (m+1)*131]}, in[1]}, out); err != nil {
			t.Fatal(err)
		}
		if err := sameBits(out[0], graph.Tensor{Shape: out[0].Shape, F: all[0].F[m*17 : (m+1)*17]}); err != nil {
			t.Errorf("row %d: %v", m, err)
		}
	}
}

func BenchmarkMatMul(b *testing.B) {
	for _, dt := range []graph.DType{graph.F32, graph.Q8_0} {
		for _, m := range []int{1, 32} {
			b.Run(fmt.Sprint(dt, m), func(b *testing.B) {
				in, err := Operands(graph.Case{In: shapes(f32(m, 1024), graph.ShapeOf(dt, 1024, 1024))}, rand.New(rand.NewPCG(1, 1)))
				if err != nil {
					b.Fatal(err)
				}
				y := graph.NewTensor(f32(m, 1024))
				for b.Loop() {
					evalMatMul(in[0], in[1], y, quant.Float)
				}
				b.ReportMetric(float64(m)*1024*1024*float64(b.N)/b.Elapsed().Seconds()/1e9, "GMAC/s")
			})
		}
	}
}
