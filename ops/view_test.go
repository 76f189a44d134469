package ops

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/graph/index"
)

// randomDims factors n into up to MaxRank extents.
func randomDims(r *rand.Rand, n int) []int {
	dims := []int{}
	for n > 1 {
		d := 1
		for p := 2; p <= n; p++ {
			for n%p == 0 && r.IntN(2) == 0 {
				n /= p
				d *= p
			}
		}
		if dims = append(dims, d); len(dims) == graph.MaxRank {
			dims[r.IntN(len(dims))] *= n
			break
		}
	}
	r.Shuffle(len(dims), func(i, j int) { dims[i], dims[j] = dims[j], dims[i] })
	return dims
}

// randomView applies one random op that only copies elements.
func randomView(r *rand.Rand, x graph.Value) graph.Value {
	s := x.Shape()
	axis := r.IntN(max(1, s.Rank()))
	switch kind := r.IntN(7); {
	case kind == 0 || s.Rank() == 0:
		return Reshape(x, randomDims(r, s.Len())...)
	case kind == 1:
		return Permute(x, r.Perm(s.Rank())...)
	case kind == 2:
		n := 1 + r.IntN(s.Dim(axis))
		return Slice(x, axis, r.IntN(s.Dim(axis)-n+1), n)
	case kind == 3 && s.Len() < 500:
		dims := s.Dims()
		for i := range dims {
			if dims[i] == 1 && r.IntN(2) == 0 {
				dims[i] = 1 + r.IntN(3)
			}
		}
		if len(dims) < graph.MaxRank && r.IntN(3) == 0 {
			dims = append([]int{1 + r.IntN(3)}, dims...)
		}
		return Broadcast(x, dims...)
	case kind == 4 && s.Len() < 500:
		return Repeat(x, axis, 1+r.IntN(3), RepeatTiled)
	case kind == 5 && s.Len() < 500:
		return Repeat(x, axis, 1+r.IntN(3), RepeatInterleaved)
	}
	return Cont(x)
}

// back follows copies from y to the leaf x by their Back.
func back(y, x graph.Value) (*index.Map, bool) {
	m := index.Identity(y.Shape().Dims())
	for y != x {
		n := y.Node()
		if !n.Op().Back(m, index.To, n.Attrs(), n.In(0).Shape(), y.Shape()) {
			return nil, false
		}
		y = n.In(0)
	}
	return m, true
}

// follow calls f with the numbers of the elements that each setting of the
// digits relates; it reports an index outside of its axis.
func follow(m *index.Map, f func(from, to int)) error {
	digits := make([]int, len(m.Size))
	number := func(s index.Side) (int, error) {
		n := 0
		for a, form := range m.Forms[s] {
			i := form.Off
			for _, t := range form.Terms {
				i += t.Coef * digits[t.Digit]
			}
			if i < 0 || i >= m.Dims[s][a] {
				return 0, fmt.Errorf("index %d of axis %d, which has %d", i, a, m.Dims[s][a])
			}
			n = n*m.Dims[s][a] + i
		}
		return n, nil
	}
	for {
		from, err := number(index.From)
		if err != nil {
			return err
		}
		to, err := number(index.To)
		if err != nil {
			return err
		}
		f(from, to)
		i := 0
		for ; i < len(digits); i++ {
			if digits[i]++; digits[i] < m.Size[i] {
				break
			}
			digits[i] = 0
		}
		if i == len(digits) {
			return nil
		}
	}
}

// TestViews draws chains of views and holds the index map that Back gives for
// them, solved and written as views again, against what the chain computes.
func TestViews(t *testing.T) {
	tried, affine, planned := 0, 0, 0
	for seed := range uint64(4000) {
		r := rand.New(rand.NewPCG(seed, 7))
		b := graph.NewBuilder()
		x := b.Input("x", f32(randomDims(r, []int{12, 24, 30, 36, 64, 60, 7, 1}[r.IntN(8)])...))
		y := x
		for range 1 + r.IntN(6) {
			y = randomView(r, y)
		}
		b.Output("y", y)
		g, err := b.Build()
		if err != nil {
			t.Fatal(err)
		}
		tried++
		m, ok := back(y, x)
		if !ok {
			continue
		}
		affine++
		feed := graph.NewTensor(x.Shape())
		for i := range feed.F {
			feed.F[i] = float32(i)
		}
		want := runOne(t, g, feed)
		check := func(what string, m *index.Map) {
			seen := make([]bool, len(want))
			err := follow(m, func(from, to int) {
				if seen[from] {
					t.Fatalf("seed %d: %s names element %d twice\n%v", seed, what, from, g)
				}
				if seen[from] = true; want[from] != float32(to) {
					t.Fatalf("seed %d: %s finds element %d at %d, it is at %v\n%v", seed, what, from, to, want[from], g)
				}
			})
			if err != nil {
				t.Fatalf("seed %d: %s: %v\n%v", seed, what, err, g)
			}
			for i, ok := range seen {
				if !ok {
					t.Fatalf("seed %d: %s does not name element %d\n%v", seed, what, i, g)
				}
			}
		}
		check("the map", m)
		solved, ok := m.Solve()
		if !ok {
			t.Fatalf("seed %d: not solved: %+v\n%v", seed, m, g)
		}
		check("the solved map", solved)
		if again, ok := solved.Solve(); !ok || !again.Same(solved) {
			t.Fatalf("seed %d: solved %+v\nand again %+v", seed, solved, again)
		}
		if !solved.Agrees(m) {
			t.Fatalf("seed %d: %+v\ndoes not agree with its solution %+v\n%v", seed, m, solved, g)
		}
		if inv, ok := solved.Inverse(); ok {
			if err := follow(inv, func(from, to int) {
				if want[to] != float32(from) {
					t.Fatalf("seed %d: the inverse finds %d at %d\n%v", seed, from, to, g)
				}
			}); err != nil {
				t.Fatal(err)
			}
		}
		v, err := View(x, solved)
		if err != nil {
			continue
		}
		planned++
		b2 := v.Builder()
		b2.Output("v", v)
		g2, err := b2.Build()
		if err != nil {
			t.Fatal(err)
		}
		for i, got := range runOne(t, g2, feed) {
			if got != want[i] {
				t.Fatalf("seed %d: as views element %d is %v, want %v\n%v", seed, i, got, want[i], g2)
			}
		}
	}
	t.Logf("%d chains, %d affine, %d written as views", tried, affine, planned)
	if affine < tried/2 || planned < affine*9/10 {
		t.Errorf("of %d chains only %d are affine and %d could be written as views", tried, affine, planned)
	}
}

// runOne returns the last output of a graph of one input x.
func runOne(t *testing.T, g *graph.Graph, x graph.Tensor) []float32 {
	t.Helper()
	r, err := Run(g, map[string]graph.Tensor{"x": x})
	if err != nil {
		t.Fatal(err)
	}
	return r.Outputs[g.Outputs()[len(g.Outputs())-1].Name].F
}

func TestViewErrors(t *testing.T) {
	b := graph.NewBuilder()
	x := b.Input("x", f32(2, 3))
	m, _ := index.Identity([]int{3, 2}).Solve()
	for what, c := range map[string]struct {
		x graph.Value
		m *index.Map
	}{
		"view of a value without a shape":    {graph.Value{}, m},
		"view of f32[2 3] by a map of [3 2]": {x, m},
	} {
		if _, err := View(c.x, c.m); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%v, want %q", err, what)
		}
	}
	m, _ = index.Identity([]int{2, 3}).Solve()
	if v, err := View(x, m); v != x || err != nil {
		t.Errorf("the identity gives %v, %v", v, err)
	}
}
