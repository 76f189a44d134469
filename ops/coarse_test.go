package ops

import (
	"runtime"
	"testing"
	"time"

	"github.com/deltaloom/deltaloom/graph"
)

// Equal bodies are one as long as anybody has it, and then none.
func TestBodiesAreInterned(t *testing.T) {
	double := func() Body {
		b, err := BodyOf([]graph.Shape{graph.ShapeOf(graph.F32, 3, 1, 4, 1, 5)}, func(in []graph.Value) []graph.Value {
			return []graph.Value{Add(in[0], in[0])}
		})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	one := double()
	runtime.GC()
	if double() != one {
		t.Error("two bodies of one text")
	}
	text := one.b.text
	runtime.KeepAlive(one.b)
	for range 100 { // cleanups run some time after a collection
		runtime.GC()
		if _, there := bodies.Load(text); !there {
			if double() == (Body{}) {
				t.Error("no body after the first one has gone")
			}
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error("a body that nobody has is kept")
}
