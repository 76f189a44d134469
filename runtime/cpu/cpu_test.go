package cpu

import (
	"fmt"
	"testing"

	"github.com/deltaloom/deltaloom/runtime/cpu/isa"
	"github.com/deltaloom/deltaloom/runtime/runtimetest"
)

func TestConformance(t *testing.T) {
	for _, set := range isa.Available() {
		for _, threads := range []int{1, 3} {
			t.Run(fmt.Sprintf("%v, %d threads", set, threads), func(t *testing.T) {
				b, err := New(Options{Threads: threads, ISA: set.String()})
				if err != nil {
					t.Fatal(err)
				}
				defer b.Close()
				runtimetest.RunAll(t, b)
			})
		}
	}
}
