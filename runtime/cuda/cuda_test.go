package cuda_test

import (
	"flag"
	"fmt"
	"testing"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/runtime/cuda"
	"github.com/deltaloom/deltaloom/runtime/cuda/driver"
	"github.com/deltaloom/deltaloom/runtime/kernels"
	"github.com/deltaloom/deltaloom/runtime/runtimetest"
	"github.com/deltaloom/deltaloom/runtime/sched"
	"github.com/deltaloom/deltaloom/tools/ptxsim/cudasim"
)

// simulated returns a backend on a simulated driver, whose faults fail the test.
func simulated(t *testing.T) *cuda.Backend {
	t.Helper()
	d, err := cudasim.New(cudasim.Options{})
	if err != nil {
		t.Skip(err)
	}
	return on(t, d)
}

// on returns a backend on that driver, which it closes.
func on(t *testing.T, d *cudasim.Driver) *cuda.Backend {
	t.Helper()
	t.Cleanup(d.Close)
	api, err := driver.Bind(d.Lookup)
	if err != nil {
		t.Fatal(err)
	}
	b, err := cuda.New(cuda.Options{Driver: api})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Fault(); err != nil {
			t.Error(err)
		} else if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// session returns a session on a simulated card, which is closed with the test.
func session(t *testing.T) *sched.Session {
	t.Helper()
	runner, err := sched.NewRunner(nil, simulated(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { runner.Close() })
	s, err := runner.NewSession(1, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// runNode computes one node.
func runNode(t *testing.T, s *sched.Session, op *graph.Op, attrs graph.Attrs, in []graph.Tensor) []graph.Tensor {
	t.Helper()
	b := graph.NewBuilder()
	inputs := map[string]graph.Tensor{}
	operands := make([]graph.Value, len(in))
	for i, x := range in {
		name := fmt.Sprint("x", i)
		operands[i], inputs[name] = b.Input(name, x.Shape), x
	}
	n := b.Apply(op, attrs, operands...)
	for i := range n.NumOut() {
		b.Output(fmt.Sprint("y", i), n.Out(i))
	}
	g, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	out, err := s.Run(t.Context(), g, inputs)
	if err != nil {
		t.Fatal(err)
	}
	results := make([]graph.Tensor, n.NumOut())
	for i := range results {
		results[i] = out[fmt.Sprint("y", i)]
	}
	return results
}

// Every case of every op on the simulated driver, and on this machine's card if there
// is one. All of them together run every kernel that ships.
func TestConformance(t *testing.T) {
	t.Run("simulated", func(t *testing.T) {
		d, err := cudasim.New(cudasim.Options{})
		if err != nil {
			t.Skip(err)
		}
		b := on(t, d)
		runtimetest.RunAll(t, b)
		moreCases(t, b)
		if f := flag.Lookup("test.run"); f.Value.String() != "" {
			return // some of them
		}
		ran := d.Stats().Kernels
		for name, family := range kernels.Names() {
			if ran[name] == 0 {
				t.Errorf("nothing ran kernel %s of %s", name, family)
			}
		}
	})
	t.Run("card", func(t *testing.T) {
		b, err := cuda.New(cuda.Options{})
		if err != nil {
			t.Skipf("NO CARD: %v", err)
		}
		defer b.Close()
		runtimetest.RunAll(t, b)
		moreCases(t, b)
	})
}
