package cuda_test

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/runtime/cuda"
	"github.com/deltaloom/deltaloom/runtime/sched"
	"github.com/deltaloom/deltaloom/sample"
)

// samplers holds the tokens that the card picks to those of package sample.
func samplers(t *testing.T, b *cuda.Backend) {
	for _, n := range []int{1, 7, 300, 5000} {
		for _, o := range []sample.Options{
			{}, {Temperature: 1, TopK: 1}, {Temperature: 1, TopK: 40}, {Temperature: 0.7, TopK: 40}, {Temperature: 0.8, TopK: 40, TopP: 0.95, MinP: 0.05},
			{Temperature: 2, TopK: 20, MinP: 0.3}, {Temperature: 1.3, TopK: 60, TopP: 0.5}, {Temperature: 1, TopK: 9, TopP: 1, MinP: 1},
		} {
			t.Run(fmt.Sprintf("sampler/%d %+v", n, o), func(t *testing.T) { testSampler(t, b, n, o) })
		}
	}
	for _, s := range []cuda.Sampling{{Temperature: 1}, {Temperature: 1, TopP: 0.9}, {Temperature: 1, TopK: 2000}} {
		if _, err := b.Sampler(1, 5000, s); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%+v: error %v, want one that wraps errors.ErrUnsupported", s, err)
		}
	}
}

// testSampler picks from rows of logits: random ones, some with equal ones, some with
// few that are finite numbers, and one with none.
func testSampler(t *testing.T, b *cuda.Backend, n int, o sample.Options) {
	const rows = 12
	infinite := []float32{float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1))}
	random := rand.New(rand.NewPCG(uint64(n), 1))
	logits, tokens := graph.NewTensor(graph.ShapeOf(graph.F32, rows, n)), graph.NewTensor(graph.ShapeOf(graph.I32, rows))
	draws := graph.NewTensor(graph.ShapeOf(graph.I32, rows, 2))
	var want []int32
	for row := range rows {
		x := logits.F[row*n : (row+1)*n]
		for i := range x {
			switch {
			case row == rows-1 || row%3 == 2 && random.IntN(4) > 0:
				x[i] = infinite[random.IntN(3)]
			case row%3 == 1:
				x[i] = float32(random.IntN(5)) - 2
			default:
				x[i] = float32(random.NormFloat64()) * 2
			}
		}
		o.Seed = uint64(row)
		first := rand.NewPCG(o.Seed, 0).Uint64()
		draws.I[2*row], draws.I[2*row+1] = int32(uint32(first)), int32(uint32(first>>32))
		s, err := sample.New(o)
		if err != nil {
			t.Fatal(err)
		}
		token, err := s.Next(x)
		if err != nil {
			token = -1
		}
		want = append(want, token)
	}
	e, err := b.Sampler(rows, n, cuda.Sampling{Temperature: o.Temperature, TopK: o.TopK, TopP: o.TopP, MinP: o.MinP})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	var bind sched.Bindings
	for _, x := range []graph.Tensor{logits, draws, tokens} {
		host := sched.HostOf(x)
		buf, err := b.Alloc(host.Size())
		if err != nil {
			t.Fatal(err)
		}
		defer buf.Free()
		s := sched.Span{Buf: buf, Len: host.Size()}
		if err := b.Copy(s, sched.Span{Buf: host, Len: s.Len}); err != nil {
			t.Fatal(err)
		}
		bind = append(bind, s)
	}
	if err := e.Run(t.Context(), bind); err != nil {
		t.Fatal(err)
	}
	if err := b.Copy(sched.Span{Buf: sched.HostOf(tokens), Len: bind[2].Len}, bind[2]); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(tokens.I, want) {
		t.Errorf("have %v, want %v", tokens.I, want)
	}
}
