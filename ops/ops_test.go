package ops

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/deltaloom/deltaloom/graph"
)

func isLeaf(op *graph.Op) bool {
	switch op {
	case graph.InputOp, graph.WeightOp, graph.StateOp, graph.ConstOp:
		return true
	}
	return false
}

// eachCase runs f for every case of every op, or of one.
func eachCase(t *testing.T, only *graph.Op, f func(t *testing.T, op *graph.Op, c graph.Case, in []graph.Tensor)) {
	for _, op := range graph.Ops() {
		if isLeaf(op) || only != nil && op != only || op.Cases == nil {
			continue
		}
		t.Run(op.Name, func(t *testing.T) {
			for c := range op.Cases {
				t.Run(c.Name, func(t *testing.T) {
					in, err := Operands(c, rand.New(rand.NewPCG(1, 2)))
					if errors.Is(err, errors.ErrUnsupported) {
						t.Skip(err)
					} else if err != nil {
						t.Fatal(err)
					}
					f(t, op, c, in)
				})
			}
		})
	}
}

// caseNode makes the node of a case, with inputs as operands.
func caseNode(t *testing.T, op *graph.Op, c graph.Case) *graph.Node {
	t.Helper()
	b := graph.NewBuilder()
	in := make([]graph.Value, len(c.In))
	for i, s := range c.In {
		in[i] = b.Input(fmt.Sprint("x", i), s)
	}
	n := b.Apply(op, c.Attrs, in...)
	if err := b.Err(); err != nil {
		t.Fatal(err)
	}
	return n
}

func results(n *graph.Node) []graph.Tensor {
	out := make([]graph.Tensor, n.NumOut())
	for i := range out {
		out[i] = graph.NewTensor(n.Out(i).Shape())
	}
	return out
}

func TestEveryOpIsComplete(t *testing.T) {
	for _, op := range graph.Ops() {
		if isLeaf(op) {
			continue
		}
		names := map[string]bool{}
		if op.Cases != nil {
			for c := range op.Cases {
				if c.Name == "" || names[c.Name] {
					t.Errorf("%s: case %q has no name of its own", op.Name, c.Name)
				}
				names[c.Name] = true
			}
		}
		switch {
		case op.Doc == "":
			t.Errorf("%s: no Doc", op.Name)
		case len(names) == 0:
			t.Errorf("%s: no Cases", op.Name)
		case op.Eval == nil && op.Decompose == nil:
			t.Errorf("%s: neither Eval nor Decompose", op.Name)
		case op.View && op.Back == nil:
			t.Errorf("%s: a view without Back", op.Name)
		case op.Name != strings.ToLower(op.Name):
			t.Errorf("%s: name is not lower case", op.Name)
		}
	}
}

// TestCases evaluates every case, and again with each result in the memory of
// the operand that InPlace names: the bits must be the same.
func TestCases(t *testing.T) {
	eachCase(t, nil, func(t *testing.T, op *graph.Op, c graph.Case, in []graph.Tensor) {
		n := caseNode(t, op, c)
		out := results(n)
		if err := EvalNode(n, in, out); err != nil {
			t.Fatal(err)
		}
		for _, alias := range op.InPlace {
			if in[alias.Operand].Shape != out[alias.Result].Shape {
				continue
			}
			args, again := append([]graph.Tensor(nil), in...), results(n)
			shared := graph.NewTensor(in[alias.Operand].Shape)
			copyAll(in[alias.Operand:], nil, []graph.Tensor{shared})
			args[alias.Operand], again[alias.Result] = shared, shared
			if err := EvalNode(n, args, again); err != nil {
				t.Fatal(err)
			}
			for i := range out {
				if err := sameBits(again[i], out[i]); err != nil {
					t.Errorf("result %d in place of operand %d: %v", alias.Result, alias.Operand, err)
				}
			}
		}
	})
}

func sameBits(got, want graph.Tensor) error {
	for i := range want.F {
		if math.Float32bits(got.F[i]) != math.Float32bits(want.F[i]) {
			return fmt.Errorf("element %d is %v, want %v", i, got.F[i], want.F[i])
		}
	}
	for i := range want.I {
		if got.I[i] != want.I[i] {
			return fmt.Errorf("element %d is %v, want %v", i, got.I[i], want.I[i])
		}
	}
	if string(got.Raw) != string(want.Raw) {
		return errors.New("bytes differ")
	}
	return nil
}

func TestTextOfCases(t *testing.T) {
	eachCase(t, nil, func(t *testing.T, op *graph.Op, c graph.Case, _ []graph.Tensor) {
		n := caseNode(t, op, c)
		b := n.Out(0).Builder()
		for i := range n.NumOut() {
			b.Output(fmt.Sprint("y", i), n.Out(i))
		}
		g, err := b.Build()
		if err != nil {
			t.Fatal(err)
		}
		again, err := graph.Parse(g.String())
		if err != nil {
			t.Fatalf("%v\n%v", err, g)
		}
		if again.String() != g.String() {
			t.Errorf("printed\n%v\nparsed\n%v", g, again)
		}
	})
}

func TestEnums(t *testing.T) {
	for v, want := range map[fmt.Stringer]string{
		L2Sum: "sum", L2Max: "max", StrictLower: "strict_lower", RepeatTiled: "tiled", RepeatInterleaved: "interleaved",
		NeoX: "neox", IMRope: "imrope", Normal: "normal", TriKind(0): "0", RopeMode(-1): "-1", L2Mode(9): "9",
	} {
		if v.String() != want {
			t.Errorf("%T(%d) is %q, want %q", v, v, v, want)
		}
	}
	var k TriKind
	for _, bad := range []string{"", "0", "Lower", "diagonal"} {
		if err := k.UnmarshalText([]byte(bad)); err == nil {
			t.Errorf("%q was read as %v", bad, k)
		}
	}
}
