package ops

import (
	"strings"
	"testing"

	"github.com/deltaloom/deltaloom/graph"
)

// leaves are the operands of the lines below, by the name they have in them.
const leaves = `
%s = input "s" : f32[]
%v = input "v" : f32[4]
%m = input "m" : f32[2 4]
%sq = input "sq" : f32[4 4]
%t = input "t" : f32[2 3 4]
%h = input "h" : f32[2 3 5 8]
%six = input "six" : f32[1 1 1 1 1 2]
%i = input "i" : i32[2 3]
%i0 = input "i0" : i32[]
%ih = input "ih" : i32[2 3 4]
%f16 = weight "f16" : f16[3 4]
%q = weight "q" : q8_0[3 64]
%q1 = weight "q1" : q8_0[64]
%q3 = weight "q3" : q8_0[2 3 64]
%big = input "big" : f32[16777216 16777216]
%w64 = input "w64" : f32[2 64]
%e = weight "e" : f32[5 6 4]
`

// TestInfer holds each op's shape, or what it says about wrong operands.
func TestInfer(t *testing.T) {
	for _, c := range []struct{ line, want string }{
		{"exp(%i)", "operand 0 is i32[2 3], want type f32"},
		{"exp(%six)", "f32[1 1 1 1 1 2]"},
		{"exp(%q)", "want type f32"},
		{"exp(%m, %m)", "2 operands, want 1"},
		{"add(%m, %v)", "f32[2 4]"},
		{"add(%s, %s)", "f32[]"},
		{"add(%t, %i)", "operand 1 is i32[2 3], want type f32"},
		{"add(%t, %m)", "extents [2 3 4] and [2 4] do not broadcast"},
		{"add(%six, %t)", "extents [1 1 1 1 1 2] and [2 3 4] do not broadcast"},
		{"add(%big, %big)", "f32[16777216 16777216]"},
		{"scale(%m) {s=NaN}", "NaN"},
		{"scale(%m) {s=+Inf}", "f32[2 4]"},
		{"add_scalar(%i) {s=1}", "want type f32"},
		{"clamp(%m) {lo=2, hi=1}", "no interval from 2 to 1"},
		{"clamp(%m) {lo=NaN, hi=1}", "no interval from NaN to 1"},
		{"clamp(%m) {lo=-Inf, hi=+Inf}", "f32[2 4]"},

		{"matmul(%m, %t)", "f32[2 2 3]"},
		{"matmul(%v, %m)", "operand 0 is f32[4], want rank 2 or more"},
		{"matmul(%m, %v)", "operand 1 is f32[4], want numbers of rank 2 or more"},
		{"matmul(%m, %f16)", "f32[2 3]"},
		{"matmul(%f16, %m)", "operand 0 is f16[3 4], want type f32"},
		{"matmul(%w64, %q)", "f32[2 3]"},
		{"matmul(%w64, %q3)", "f32[2 2 3]"},
		{"matmul(%m, %i)", "want numbers of rank 2"},
		{"matmul(%m, %h)", "last axes of f32[2 4] and f32[2 3 5 8] differ"},
		{"matmul(%big, %big)", "f32[16777216 16777216]"},
		{"expert_matmul(%t, %e, %i)", "f32[2 3 6]"},
		{"expert_matmul(%t, %e, %m)", "operand 2 is f32[2 4], want i32"},
		{"expert_matmul(%m, %e, %i)", "operand 0 is f32[2 4], want rank 3"},
		{"expert_matmul(%h, %e, %i)", "ranks of"},
		{"expert_matmul(%t, %t, %i)", "f32[2 3 3]"},
		{"expert_matmul(%t, %q3, %i)", "last axes"},
		{"expert_matmul(%t, %ih, %i)", "operand 1 is i32[2 3 4], want numbers"},
		{"expert_matmul(%e, %e, %i)", "want [2 3 or 1 K]"},

		{"sum_last(%t)", "f32[2 3 1]"},
		{"sum_last(%s)", "want rank 1 or more"},
		{"mean_last(%i)", "want type f32"},
		{"max_last(%v)", "f32[1]"},
		{"cumsum(%s)", "want rank 1"},
		{"softmax(%s)", "want rank 1"},
		{"softmax(%i)", "want type f32"},
		{"rms_norm(%m) {eps=1e-6}", "f32[2 4]"},
		{"rms_norm(%m) {eps=-1}", "eps -1 is not a finite number from 0"},
		{"rms_norm(%m) {eps=NaN}", "eps NaN"},
		{"rms_norm(%m) {eps=Inf}", "eps +Inf"},
		{"rms_norm(%s)", "want rank 1"},
		{"l2_norm(%m) {mode=sum}", "f32[2 4]"},
		{"l2_norm(%m)", "mode 0 has no name"},
		{"l2_norm(%m) {mode=min}", `"min" is none of sum, max`},
		{"l2_norm(%m) {mode=max, eps=-1}", "eps -1"},
		{"tri(%m) {kind=strict_upper}", "f32[2 4]"},
		{"tri(%m)", "kind 0 has no name"},
		{"tri(%v) {kind=lower}", "want rank 2"},
		{"solve_tri(%sq, %sq)", "f32[4 4]"},
		{"solve_tri(%sq, %t)", "f32[4 4] and f32[2 3 4], want [n n] and [n m]"},
		{"solve_tri(%m, %m)", "want [n n] and [n m]"},
		{"solve_tri(%sq, %v)", "want rank 2"},
		{"diag(%m)", "f32[2 4 4]"},
		{"diag(%six)", "rank 7 is more than 6"},
		{"diag(%s)", "want rank 1"},
		{"diag(%big)", "out of range"},

		{"pad(%t) {axis=1, after=2}", "f32[2 5 4]"},
		{"pad(%t) {axis=1}", "f32[2 3 4]"},
		{"pad(%t) {axis=3, after=1}", "axis 3 of f32[2 3 4]"},
		{"pad(%t) {axis=-1, after=1}", "axis -1 of f32[2 3 4]"},
		{"pad(%t) {axis=1, after=-1}", "-1 zeros after axis 1"},
		{"pad(%t) {axis=1, after=9223372036854775807}", "zeros after axis 1"},
		{"pad(%t) {axis=1, after=281474976710656}", "out of range"},
		{"pad(%i) {axis=1, after=1}", "want type f32"},
		{"concat(%m, %sq)", "f32[6 4]"},
		{"concat(%m)", "f32[2 4]"},
		{"concat()", "0 operands, want at least 1"},
		{"concat(%m, %sq) {axis=1}", "operand 1 is f32[4 4] beside f32[2 4] along axis 1"},
		{"concat(%m, %v)", "operand 1 is f32[4] beside f32[2 4]"},
		{"concat(%m, %f16)", "operand 1 is f16[3 4] beside f32[2 4]"},
		{"concat(%i, %i) {axis=2}", "axis 2 of i32[2 3]"},
		{"concat(%s, %s)", "axis 0 of f32[]"},
		{"concat(%q, %q)", "q8_0[6 64]"},
		{"concat(%q, %q) {axis=1}", "q8_0[3 128]"},
		{"concat(%big, %big)", "out of range"},

		{"reshape(%t) {dims=[6 4]}", "f32[6 4]"},
		{"reshape(%t) {dims=[5 5]}", "f32[2 3 4] has 24 elements, f32[5 5] has 25"},
		{"reshape(%t) {dims=[-1 -24]}", "out of range"},
		{"reshape(%t) {dims=[0]}", "out of range"},
		{"reshape(%t)", "f32[] has 1"},
		{"reshape(%t) {dims=[4294967296 4294967296 24]}", "out of range"},
		{"reshape(%t) {dims=[1 1 1 1 1 1 24]}", "at most 6"},
		{"reshape(%q) {dims=[6 32]}", "q8_0[6 32]"},
		{"reshape(%q) {dims=[12 16]}", "rows of q8_0[12 16] are not whole blocks of 32"},
		{"permute(%t) {perm=[2 0 1]}", "f32[4 2 3]"},
		{"permute(%t) {perm=[0 1]}", "[0 1] does not order the axes of f32[2 3 4]"},
		{"permute(%t) {perm=[0 1 1]}", "does not order"},
		{"permute(%t) {perm=[0 1 3]}", "does not order"},
		{"permute(%t) {perm=[0 1 -1]}", "does not order"},
		{"permute(%t) {perm=[0 1 2 2]}", "does not order"},
		{"permute(%s)", "f32[]"},
		{"permute(%q3) {perm=[1 0 2]}", "q8_0[3 2 64]"},
		{"permute(%q) {perm=[1 0]}", "would break the blocks of q8_0[3 64]"},
		{"slice(%t) {axis=2, start=1, n=3}", "f32[2 3 3]"},
		{"slice(%t) {axis=2, start=1}", "0 from 1 on axis 2 of f32[2 3 4]"},
		{"slice(%t) {axis=2, start=1, n=4}", "4 from 1 on axis 2"},
		{"slice(%t) {axis=2, start=-1, n=2}", "2 from -1 on axis 2"},
		{"slice(%t) {axis=2, start=9223372036854775807, n=2}", "on axis 2"},
		{"slice(%t) {axis=2, n=9223372036854775807}", "on axis 2"},
		{"slice(%t) {axis=-1, n=1}", "axis -1 of"},
		{"slice(%s) {n=1}", "axis 0 of f32[]"},
		{"slice(%q) {axis=1, start=32, n=32}", "q8_0[3 32]"},
		{"slice(%q) {axis=1, start=16, n=32}", "a slice from 16 would break the blocks"},
		{"slice(%q) {axis=1, n=16}", "not whole blocks"},
		{"slice(%q) {start=1, n=2}", "q8_0[2 64]"},
		{"broadcast(%v) {dims=[3 4]}", "f32[3 4]"},
		{"broadcast(%v) {dims=[4 3]}", "f32[4] does not broadcast to [4 3]"},
		{"broadcast(%m) {dims=[4]}", "does not broadcast"},
		{"broadcast(%m) {dims=[1 4]}", "does not broadcast"},
		{"broadcast(%s) {dims=[0]}", "out of range"},
		{"broadcast(%s) {dims=[1099511627776 1099511627776]}", "out of range"},
		{"broadcast(%q) {dims=[2 3 64]}", "q8_0[2 3 64]"},
		{"cont(%ih)", "i32[2 3 4]"},
		{"repeat(%t) {axis=1, n=2, mode=tiled}", "f32[2 6 4]"},
		{"repeat(%t) {axis=1, n=2}", "mode 0 has no name"},
		{"repeat(%t) {axis=1, mode=tiled}", "0 copies of axis 1"},
		{"repeat(%t) {axis=1, n=-1, mode=tiled}", "-1 copies"},
		{"repeat(%t) {axis=1, n=6148914691236517206, mode=tiled}", "copies of axis 1"},
		{"repeat(%t) {axis=3, n=2, mode=tiled}", "axis 3 of"},
		{"repeat(%q) {n=2, mode=interleaved}", "q8_0[6 64]"},
		{"repeat(%q) {axis=1, n=2, mode=tiled}", "would break the blocks"},

		{"rows(%t, %i)", "f32[2 3 3 4]"},
		{"rows(%t, %i0)", "f32[3 4]"},
		{"rows(%q, %i)", "f32[2 3 64]"},
		{"rows(%q1, %i)", "has no rows of numbers"},
		{"rows(%i, %i)", "operand 0 is i32[2 3], which has no rows of numbers"},
		{"rows(%s, %i)", "no rows"},
		{"rows(%m, %m)", "operand 1 is f32[2 4], want i32"},
		{"rows(%h, %ih)", "f32[2 3 4 3 5 8]"},
		{"rows(%six, %ih)", "rank 8 is more than 6"},
		{"scatter_rows(%m, %i0, %v)", "f32[2 4]"},
		{"scatter_rows(%m, %i, %t)", "f32[2 4]"},
		{"scatter_rows(%m, %i0, %m)", "operand 2 is f32[2 4], want f32[4]"},
		{"scatter_rows(%m, %v, %m)", "operand 1 is f32[4], want i32"},
		{"scatter_rows(%s, %i, %t)", "no rows"},
		{"scatter_rows(%six, %ih, %t)", "rank 8 is more than 6"},
		{"argsort(%t)", "i32[2 3 4]"},
		{"argsort(%s)", "want rank 1"},
		{"argsort(%i)", "want type f32"},
		{"topk(%t) {k=2}", "i32[2 3 2]"},
		{"topk(%t)", "the 0 largest of f32[2 3 4]"},
		{"topk(%t) {k=5}", "the 5 largest"},
		{"topk(%t) {k=-1}", "the -1 largest"},
		{"gather_last(%m, %i)", "f32[2 3]"},
		{"gather_last(%t, %ih)", "f32[2 3 4]"},
		{"gather_last(%h, %i)", "do not broadcast"},
		{"gather_last(%s, %i)", "want rank 1"},
		{"gather_last(%m, %i0)", "operand 1 is i32[], want i32 of rank 1"},

		{"rope(%h, %i) {dims=8, base=10000, mode=neox}", "f32[2 3 5 8]"},
		{"rope(%h, %ih) {dims=4, base=10000, mode=imrope, sections=[1 1 0 0]}", "f32[2 3 5 8]"},
		{"rope(%h, %i) {dims=8, base=10000}", "mode 0 has no name"},
		{"rope(%h, %i) {dims=10, base=10000, mode=neox}", "10 elements turn"},
		{"rope(%h, %i) {dims=3, base=10000, mode=neox}", "dims 3 is not an even number from 2"},
		{"rope(%h, %i) {base=10000, mode=neox}", "dims 0"},
		{"rope(%h, %i) {dims=-2, base=10000, mode=neox}", "dims -2"},
		{"rope(%h, %i) {dims=8, base=NaN, mode=neox}", "base NaN"},
		{"rope(%h, %i) {dims=8, mode=normal}", "base 0"},
		{"rope(%h, %i) {dims=8, base=10000, mode=neox, sections=[1 1 1 0]}", "sections [1 1 1 0] in mode neox"},
		{"rope(%h, %i) {dims=8, base=10000, mode=imrope}", "sections [], want"},
		{"rope(%h, %i) {dims=8, base=10000, mode=imrope, sections=[0 0 0 0]}", "sections [0 0 0 0], want"},
		{"rope(%h, %i) {dims=8, base=10000, mode=imrope, sections=[-1 1 1 0]}", "sections [-1 1 1 0]"},
		{"rope(%h, %i) {dims=8, base=10000, mode=imrope, sections=[9223372036854775807 1 1 0]}", "sections"},
		{"rope(%h, %ih) {dims=8, base=10000, mode=neox}", "mode neox takes positions [B T]"},
		{"rope(%t, %i) {dims=2, base=10000, mode=neox}", "want rank 4"},
		{"rope(%h, %m) {dims=2, base=10000, mode=neox}", "operand 1 is f32[2 4], want i32"},
		{"rope(%h, %i0) {dims=2, base=10000, mode=neox}", "want i32 of rank 2"},
		{"causal_conv(%t, %sq)", "f32[2 3 4] and f32[4 4], want [B T+W-1 C] and [C W]"},
		{"causal_conv(%t, %m)", "want [B T+W-1 C]"},
		{"causal_conv(%v, %m)", "want rank 2"},
		{"causal_conv(%t, %t)", "want [B T+W-1 C]"},
		{"causal_mask(%i) {n=7}", "f32[2 3 7]"},
		{"causal_mask(%i)", "a mask of 0 columns"},
		{"causal_mask(%m) {n=7}", "want positions i32[B T]"},
		{"causal_mask(%i) {n=9223372036854775807}", "out of range"},
	} {
		t.Run(c.line, func(t *testing.T) {
			g, err := graph.Parse(leaves + "%y = " + c.line + "\noutput \"y\" = %y\n")
			got := ""
			if err != nil {
				got = err.Error()
			} else {
				got = g.Outputs()[0].Value.Shape().String()
			}
			if err == nil && got != c.want || !strings.Contains(got, c.want) {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

// TestConstructors holds the shape of what the free functions make, and that
// those which would change nothing make nothing.
func TestConstructors(t *testing.T) {
	b := graph.NewBuilder()
	x := b.Input("x", f32(2, 3, 4))
	for _, c := range []struct {
		name string
		got  graph.Value
		want graph.Shape
	}{
		{"transpose", Transpose(x), f32(2, 4, 3)},
		{"slice from the end", Slice(x, -1, 1, 2), f32(2, 3, 2)},
		{"pad from the end", Pad(x, -2, 1), f32(2, 4, 4)},
		{"concat from the end", Concat(-3, x, x), f32(4, 3, 4)},
		{"repeat from the end", Repeat(x, -1, 2, RepeatTiled), f32(2, 3, 8)},
		{"sum over an axis", Sum(x, 0), f32(1, 3, 4)},
		{"sum over the last", Sum(x, -1), f32(2, 3, 1)},
		{"linear", Linear(x, b.Weight("w", f32(5, 4))), f32(2, 3, 5)},
		{"linear of a vector", Linear(b.Input("v", f32(4)), b.Weight("w", f32(5, 4))), f32(5)},
		{"fill", Fill(b, 2, 3, 4), f32(3, 4)},
		{"eye", Eye(b, 3), f32(3, 3)},
		{"square", Square(x), f32(2, 3, 4)},
	} {
		if got := c.got.Shape(); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
	for name, y := range map[string]graph.Value{
		"reshape":   Reshape(x, 2, 3, 4),
		"permute":   Permute(x, 0, 1, 2),
		"slice":     Slice(x, 1, 0, 3),
		"broadcast": Broadcast(x, 2, 3, 4),
		"pad":       Pad(x, 1, 0),
		"repeat":    Repeat(x, 1, 1, RepeatTiled),
	} {
		if y != x {
			t.Errorf("%s that changes nothing makes a node", name)
		}
	}
	if Sum(x, -1) != SumLast(x) || Square(x) != Mul(x, x) {
		t.Error("shorthands are not what they stand for")
	}
	if err := b.Err(); err != nil {
		t.Error(err)
	}
}

// TestWrongConstructors holds that no constructor panics or hides an error, on
// values that a failed one has left and on the zero Value.
func TestWrongConstructors(t *testing.T) {
	for name, f := range map[string]func(x graph.Value) graph.Value{
		"transpose":     Transpose,
		"sum":           func(x graph.Value) graph.Value { return Sum(x, 5) },
		"long reshape":  func(x graph.Value) graph.Value { return Reshape(x, 1, 1, 1, 1, 1, 1, 4) },
		"long permute":  func(x graph.Value) graph.Value { return Permute(x, 0, 1, 2, 3, 4, 5, 6) },
		"long sequence": func(x graph.Value) graph.Value { return Broadcast(x, 1, 1, 1, 1, 1, 1, 4) },
		"slice":         func(x graph.Value) graph.Value { return Slice(x, -9, 0, 1) },
		"pad":           func(x graph.Value) graph.Value { return Pad(x, -9, 0) },
		"repeat":        func(x graph.Value) graph.Value { return Repeat(x, 9, 1, RepeatTiled) },
		"linear":        func(x graph.Value) graph.Value { return Linear(x, graph.Value{}) },
		"concat":        func(x graph.Value) graph.Value { return Concat(-9, x, x) },
		"expert":        func(x graph.Value) graph.Value { return ExpertMatMul(x, x, x) },
		"rope":          func(x graph.Value) graph.Value { return Rope(x, x, RopeAttrs{}) },
	} {
		t.Run(name, func(t *testing.T) {
			b := graph.NewBuilder()
			y := f(b.Input("v", f32(4)))
			if b.Err() == nil {
				t.Errorf("no error; the result is %v", y.Shape())
			}
			f(y)
			f(graph.Value{})
		})
	}
	if Concat(0) != (graph.Value{}) {
		t.Error("concat of nothing")
	}
}
