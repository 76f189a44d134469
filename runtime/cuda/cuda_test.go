package cuda_test

import (
	"testing"

	"github.com/deltaloom/deltaloom/runtime/cuda"
	"github.com/deltaloom/deltaloom/runtime/cuda/driver"
	"github.com/deltaloom/deltaloom/runtime/runtimetest"
	"github.com/deltaloom/deltaloom/tools/ptxsim/cudasim"
)

// simulated returns a backend on a simulated driver, whose faults fail the test.
func simulated(t *testing.T) *cuda.Backend {
	t.Helper()
	d, err := cudasim.New(cudasim.Options{})
	if err != nil {
		t.Skip(err)
	}
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

// Every case of every op on the simulated driver, and on this machine's card if there
// is one.
func TestConformance(t *testing.T) {
	t.Run("simulated", func(t *testing.T) {
		runtimetest.RunAll(t, simulated(t))
	})
	t.Run("card", func(t *testing.T) {
		b, err := cuda.New(cuda.Options{})
		if err != nil {
			t.Skipf("NO CARD: %v", err)
		}
		defer b.Close()
		runtimetest.RunAll(t, b)
	})
}
