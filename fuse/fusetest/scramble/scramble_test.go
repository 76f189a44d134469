package scramble

import (
	"fmt"
	"go/parser"
	"go/token"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
)

// The scrambler knows the graphs and the ops, and nothing of the rules that it
// is to outwit.
func TestImports(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		src, err := parser.ParseFile(token.NewFileSet(), f, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, imp := range src.Imports {
			const module = "github.com/deltaloom/deltaloom/"
			if path, mine := strings.CutPrefix(strings.Trim(imp.Path.Value, `"`), module); mine && path != "graph" && path != "ops" {
				t.Errorf("%s imports %s", f, path)
			}
		}
	}
}

// rich is a graph with something for every kind.
func rich() *graph.Graph {
	b := graph.NewBuilder()
	in := func(name string, dims ...int) graph.Value { return b.Input(name, graph.ShapeOf(graph.F32, dims...)) }
	s := b.State("s", graph.ShapeOf(graph.F32, 2, 4, 6, 5))
	q, k := in("q", 2, 3, 2, 5), in("k", 2, 3, 2, 5)
	v, g := in("v", 2, 4, 6, 1), in("g", 2, 4, 1, 1)
	q, k = ops.L2Norm(q, ops.L2Sum, 1e-3), ops.L2Norm(k, ops.L2Max, 1e-3)
	q, k = ops.Repeat(q, 2, 2, ops.RepeatTiled), ops.Repeat(k, 2, 2, ops.RepeatInterleaved)
	q, k = ops.Permute(ops.Slice(q, 1, 1, 1), 0, 2, 1, 3), ops.Permute(ops.Slice(k, 1, 2, 1), 0, 2, 1, 3)
	o, next := ops.DeltaStep(ops.Scale(q, 0.5), k, v, g, ops.Sigmoid(ops.AddScalar(g, 0.25)), s)
	b.SetState(s, next)
	n := ops.RMSNorm(o, 1e-3)
	x := in("x", 3, 5)
	mean := ops.Mul(x, ops.Rsqrt(ops.AddScalar(ops.MeanLast(ops.Mul(x, x)), 1e-3)))
	root := ops.Div(x, ops.Sqrt(ops.AddScalar(ops.SumLast(ops.Mul(x, x)), 1e-3)))
	mask := ops.Tri(ops.MatMul(ops.Add(mean, root), x), ops.Lower)
	y := ops.Mul(ops.Add(mask, ops.Broadcast(in("bias", 1, 3), 3, 3)), b.Const(3))
	b.Output("n", ops.Concat(2, n, ops.Pad(n, 2, 1)))
	b.Output("y", y)
	all, err := b.Build()
	if err != nil {
		panic(err)
	}
	return all
}

// Every kind changes the text of a rich graph and nothing that it computes.
func TestKinds(t *testing.T) {
	g := rich()
	for _, k := range Kinds() {
		changed := 0
		for seed := range uint64(20) {
			ng, err := Apply(g, Step{k, seed, []float64{0.3, 1}[seed%2]})
			if err != nil {
				t.Fatal(err)
			}
			if err := ng.Verify(); err != nil {
				t.Fatalf("%v: %v", k, err)
			}
			if ng.Fingerprint() != g.Fingerprint() {
				changed++
			}
			if err := equal(g, ng, seed); err != nil {
				t.Fatalf("%v, seed %d: %v\n%v", k, seed, err, ng)
			}
		}
		if changed == 0 {
			t.Errorf("%v never changes anything", k)
		}
	}
}

// All kinds together, bare and embedded.
func TestGraph(t *testing.T) {
	for seed := range uint64(60) {
		g := rich()
		if seed%2 == 1 {
			var err error
			if g, err = Embed(g, seed); err != nil {
				t.Fatal(err)
			}
		}
		ng, did, err := Graph(g, seed, Kinds())
		if err != nil {
			t.Fatal(err)
		}
		if n := len(Families(did)); n < MinFamilies {
			t.Errorf("seed %d: %d families", seed, n)
		}
		if err := equal(g, ng, seed); err != nil {
			t.Fatalf("seed %d: %v: %v", seed, did, err)
		}
		again, _, _ := Graph(g, seed, Kinds())
		if again.String() != ng.String() {
			t.Fatalf("seed %d gives two texts", seed)
		}
	}
}

func TestFamilies(t *testing.T) {
	var steps []Step
	for _, k := range Kinds() {
		steps = append(steps, Step{Kind: k})
	}
	if got := Families(steps); len(got) != 11 || !slices.IsSorted(got) {
		t.Error(got)
	}
}

// equal runs two graphs on the same random tensors.
func equal(a, b *graph.Graph, seed uint64) error {
	r := rand.New(rand.NewPCG(seed, 3))
	feeds := map[string]graph.Tensor{}
	for _, n := range a.Nodes() {
		if n.Name() != "" {
			x := graph.NewTensor(n.Out(0).Shape())
			for i := range x.F {
				x.F[i] = float32(r.NormFloat64())
			}
			feeds[n.Name()] = x
		}
	}
	x, err := ops.Run(a, feeds)
	if err != nil {
		return err
	}
	y, err := ops.Run(b, feeds)
	if err != nil {
		return err
	}
	for _, pair := range [][2]map[string]graph.Tensor{{x.Outputs, y.Outputs}, {x.States, y.States}} {
		for name, want := range pair[0] {
			var diff, norm float64
			have := pair[1][name]
			if have.Shape != want.Shape {
				return fmt.Errorf("%s is %v, want %v", name, have.Shape, want.Shape)
			}
			for i := range want.F {
				d := float64(have.F[i]) - float64(want.F[i])
				diff += d * d
				norm += float64(want.F[i]) * float64(want.F[i])
			}
			if !(diff <= 1e-10*norm) || math.IsNaN(norm) {
				return fmt.Errorf("%s differs: NMSE %g", name, diff/norm)
			}
		}
	}
	return nil
}
