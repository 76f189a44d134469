package gguf

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/deltaloom/deltaloom/graph"
)

func TestRoundTrip(t *testing.T) {
	data := sample(t)
	f, err := Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	exercise(t, f, data)
	if f.Version() != 3 || f.Alignment() != 32 {
		t.Errorf("version %d, alignment %d", f.Version(), f.Alignment())
	}
	kvs := f.KVs()
	if len(kvs) != len(sampleKVs) {
		t.Fatalf("%d keys, want %d", len(kvs), len(sampleKVs))
	}
	for i, want := range sampleKVs {
		if kvs[i].Key != want.key || !reflect.DeepEqual(kvs[i].Value(), want.value) {
			t.Errorf("key %d: %q = %#v, want %q = %#v", i, kvs[i].Key, kvs[i].Value(), want.key, want.value)
		}
	}
	tensors := f.Tensors()
	if len(tensors) != len(sampleTensors) {
		t.Fatalf("%d tensors, want %d", len(tensors), len(sampleTensors))
	}
	for i, want := range sampleTensors {
		x := tensors[i]
		if x.Name != want.name || x.Shape != want.shape {
			t.Errorf("tensor %d: %q %v, want %q %v", i, x.Name, x.Shape, want.name, want.shape)
		}
		if !bytes.Equal(x.Data(), pattern(want.shape.Bytes())) {
			t.Errorf("%s: data differs", x.Name)
		}
	}

	// What was read and is written again is the same file.
	var again Writer
	for _, e := range kvs {
		again.KV(e.Key, e.Value())
	}
	for _, x := range tensors {
		again.Tensor(x.Name, x.Shape, x.Data())
	}
	if !bytes.Equal(written(t, &again), data) {
		t.Error("a copy differs from the original")
	}
}

func TestLayout(t *testing.T) {
	var w Writer
	w.KV("k", uint16(0x0102))
	w.KV("s", []string{"ab"})
	w.Tensor("t", graph.ShapeOf(graph.F16, 2, 3), pattern(12))
	want := "47475546" + "03000000" + "0100000000000000" + "0200000000000000" + // magic, version, tensors, keys
		"0100000000000000" + "6b" + "02000000" + "0201" +
		"0100000000000000" + "73" + "09000000" + "08000000" + "0100000000000000" + "0200000000000000" + "6162" +
		"0100000000000000" + "74" + "02000000" + "0300000000000000" + "0200000000000000" + "01000000" + "0000000000000000" // innermost extent first
	n := len(want) / 2
	want += strings.Repeat("00", (32-n%32)%32) + hex.EncodeToString(pattern(12)) + strings.Repeat("00", 20)
	if got := hex.EncodeToString(written(t, &w)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestEmptyFile(t *testing.T) {
	data := written(t, &Writer{})
	f, err := Parse(data)
	if err != nil || len(f.KVs()) != 0 || len(f.Tensors()) != 0 {
		t.Errorf("got %v, %v", f, err)
	}
}

func TestWriterErrors(t *testing.T) {
	f32 := graph.ShapeOf(graph.F32, 2)
	ok := make([]byte, 8)
	broken := errors.New("broken")
	for _, c := range []struct {
		name string
		fill func(w *Writer)
		text string
	}{
		{"empty key", func(w *Writer) { w.KV("", true) }, "empty key"},
		{"duplicate key", func(w *Writer) { w.KV("k", true); w.KV("k", true) }, `"k": duplicate key`},
		{"int", func(w *Writer) { w.KV("k", 1) }, `key "k": no metadata type for a int`},
		{"ints", func(w *Writer) { w.KV("k", []int{1}) }, "no metadata type for a []int"},
		{"nested", func(w *Writer) { w.KV("k", [][]uint8{{1}}) }, "no metadata type"},
		{"nil", func(w *Writer) { w.KV("k", nil) }, "no value"},
		{"alignment", func(w *Writer) { w.KV("general.alignment", uint32(64)) }, "aligns to 32, not 64"},
		{"alignment type", func(w *Writer) { w.KV("general.alignment", []string{}) }, "aligns to 32"},
		{"split", func(w *Writer) { w.KV("split.count", uint16(2)) }, "split into 2 files"},
		{"first error sticks", func(w *Writer) { w.KV("a", nil); w.KV("b", 1); w.Tensor("t", graph.Shape{}, nil) }, `"a": no value`},
		{"invalid shape", func(w *Writer) { w.Tensor("t", graph.Shape{}, nil) }, `"t": shape`},
		{"rank", func(w *Writer) { w.Tensor("t", graph.ShapeOf(graph.F32, 1, 1, 1, 1, 1), nil) }, "rank 5"},
		{"part of a block", func(w *Writer) { w.Tensor("t", graph.ShapeOf(graph.Q8_0, 32, 16), nil) }, "not a multiple of 32"},
		{"scalar block", func(w *Writer) { w.Tensor("t", graph.ShapeOf(graph.Q8_0), nil) }, "not a multiple of 32"},
		{"long name", func(w *Writer) { w.Tensor(strings.Repeat("n", 64), f32, ok) }, "name of 64 bytes"},
		{"duplicate name", func(w *Writer) { w.Tensor("t", f32, ok); w.Tensor("t", f32, ok) }, "duplicate name"},
		{"short data", func(w *Writer) { w.Tensor("t", f32, ok[:7]) }, `"t": 1 of 8 bytes were not written`},
		{"long data", func(w *Writer) { w.Tensor("t", f32, make([]byte, 9)) }, `"t": 1 bytes more than the shape holds`},
		{"func fails", func(w *Writer) { w.TensorFunc("t", f32, func(io.Writer) error { return broken }) }, `"t": broken`},
		{"func hides an error", func(w *Writer) {
			w.TensorFunc("t", f32, func(o io.Writer) error { o.Write(make([]byte, 9)); o.Write(ok); return nil })
		}, "more than the shape holds"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var w Writer
			c.fill(&w)
			if _, err := w.WriteTo(io.Discard); err == nil || !strings.Contains(err.Error(), c.text) || !strings.HasPrefix(err.Error(), "gguf: ") {
				t.Errorf("got %v, want … %s …", err, c.text)
			}
			dir := t.TempDir()
			path := filepath.Join(dir, "m.gguf")
			if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := w.WriteFile(path); err == nil || !strings.Contains(err.Error(), c.text) || !strings.Contains(err.Error(), path) {
				t.Errorf("got %v, want %s … %s …", err, path, c.text)
			}
			if entries, _ := os.ReadDir(dir); len(entries) != 1 {
				t.Errorf("left behind: %v", entries)
			}
			if b, _ := os.ReadFile(path); string(b) != "old" {
				t.Error("the old file is gone")
			}
		})
	}
}

// shortWriter takes n bytes.
type shortWriter struct{ n int }

func (w *shortWriter) Write(p []byte) (int, error) {
	if len(p) > w.n {
		n := w.n
		w.n = 0
		return n, io.ErrShortWrite
	}
	w.n -= len(p)
	return len(p), nil
}

func TestWriteToFullDisk(t *testing.T) {
	var w Writer
	w.KV("k", true)
	big := graph.ShapeOf(graph.F32, 1<<20)
	w.Tensor("t", big, make([]byte, big.Bytes()))
	for _, limit := range []int{0, 10, 100, 3 << 20} {
		n, err := w.WriteTo(&shortWriter{limit})
		if !errors.Is(err, io.ErrShortWrite) || n != int64(limit) {
			t.Errorf("limit %d: wrote %d, %v", limit, n, err)
		}
	}
}

// A tensor is written in pieces, never held as a whole.
func TestStreaming(t *testing.T) {
	shape := graph.ShapeOf(graph.F32, 1024, 1024)
	var w Writer
	w.TensorFunc("big", shape, func(out io.Writer) error {
		row := make([]byte, 4096)
		for i := range 1024 {
			row[0] = byte(i)
			if _, err := out.Write(row); err != nil {
				return err
			}
		}
		return nil
	})
	path := filepath.Join(t.TempDir(), "m.gguf")
	if err := w.WriteFile(path); err != nil {
		t.Fatal(err)
	}
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	x, _ := f.Tensor("big")
	for i := range 1024 {
		if x.Data()[i*4096] != byte(i) {
			t.Fatalf("row %d is wrong", i)
		}
	}
}
