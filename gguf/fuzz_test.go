package gguf

import (
	"bytes"
	"testing"

	"github.com/deltaloom/deltaloom/graph"
)

// FuzzParse: any input is refused or fully in range, and what is accepted and
// can be written is read back the same.
func FuzzParse(f *testing.F) {
	f.Add(sample(f))
	f.Add(written(f, &Writer{}))
	small := func(fill func(w *Writer)) {
		var w Writer
		fill(&w)
		f.Add(written(f, &w))
	}
	small(func(w *Writer) { w.KV("general.alignment", uint32(32)); w.KV("split.count", uint16(1)) })
	small(func(w *Writer) { w.KV("a", []string{"x", "yy", ""}); w.KV("b", []int32{1, -1}) })
	small(func(w *Writer) {
		w.Tensor("a", graph.ShapeOf(graph.F32, 2, 3), make([]byte, 24))
		w.Tensor("b", graph.ShapeOf(graph.Q8_0, 1, 32), make([]byte, 34))
	})
	f.Add(file(64, head(2, 2, 1), kv("general.alignment", Uint32, uint32(8)), info("z", 0, 0, 0), info("i", 16, 0, 0, 256)))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := Parse(data)
		if err != nil {
			return
		}
		exercise(t, p, data)
		var w Writer
		for _, e := range p.KVs() {
			if e.Key != alignmentKey {
				w.KV(e.Key, e.Value())
			}
		}
		var shapes []*Tensor
		for _, x := range p.Tensors() {
			if x.Shape.Valid() {
				w.Tensor(x.Name, x.Shape, x.Data())
				shapes = append(shapes, x)
			}
		}
		again, err := Parse(written(t, &w))
		if err != nil {
			t.Fatal(err)
		}
		for i, x := range again.Tensors() {
			if y := shapes[i]; x.Name != y.Name || x.Shape != y.Shape || !bytes.Equal(x.Data(), y.Data()) {
				t.Fatalf("tensor %q changed", y.Name)
			}
		}
		for _, e := range again.KVs() {
			if y, _ := p.KV(e.Key); e.Elem != Bool && e != y { // a bool may be neither 0 nor 1
				t.Fatalf("key %q changed", e.Key)
			}
		}
	})
}
