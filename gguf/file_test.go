package gguf

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func writeSample(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sample.gguf")
	if err := os.WriteFile(path, sample(t), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestOpen(t *testing.T) {
	f, err := Open(writeSample(t))
	if err != nil {
		t.Fatal(err)
	}
	exercise(t, f, f.data)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	// Closed: metadata stays, data is gone.
	for _, x := range f.Tensors() {
		if x.Data() != nil {
			t.Fatalf("%s still has data", x.Name)
		}
	}
	if s, err := GetArray[string](f, "strings"); err != nil || s[2] != "Ġthe" {
		t.Errorf("got %v, %v", s, err)
	}
	if err := f.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
}

func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, c := range []struct{ path, text string }{
		{filepath.Join(dir, "absent.gguf"), "absent.gguf"},
		{dir, "not a regular file"},
		{write("empty.gguf", nil), "the file ends at 0"},
		{write("text.gguf", []byte("hello world")), "not a GGUF file"},
		{write("cut.gguf", sample(t)[:100]), "tensor count: 7 do not fit"},
	} {
		f, err := Open(c.path)
		if err == nil {
			f.Close()
			t.Errorf("%s: accepted", c.path)
			continue
		}
		if !strings.Contains(err.Error(), c.path) || !strings.Contains(err.Error(), c.text) || !strings.HasPrefix(err.Error(), "gguf: ") {
			t.Errorf("%s: got %v", c.path, err)
		}
	}
	if _, err := Open(filepath.Join(dir, "absent.gguf")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v does not wrap fs.ErrNotExist", err)
	}
}

func TestTensorTypes(t *testing.T) {
	known := 0
	for id := TensorType(0); id < 100; id++ {
		block, size := id.Block()
		if !id.Known() {
			if block != 0 || size != 0 || !strings.HasPrefix(id.String(), "type(") {
				t.Errorf("unknown type %d has facts", id)
			}
			continue
		}
		known++
		if block < 1 || size < 1 || id.String() == "" {
			t.Errorf("type %d %v: %d elements in %d bytes", id, id, block, size)
		}
		if dt := id.DType(); dt != 0 && tensorTypeOf[dt] != id {
			t.Errorf("type %v is %d and %d", dt, id, tensorTypeOf[dt])
		}
	}
	if known != 35 {
		t.Errorf("%d types, the format has 35", known)
	}
	// Bits a weight, as everybody quotes them, catch a swapped row.
	for id, want := range map[TensorType]string{16: "2.0625", 18: "3.0625", 19: "1.5625", 21: "3.4375", 22: "2.5625", 29: "1.75", 34: "1.6875", 40: "4.5", 41: "1.125", 42: "2.25"} {
		block, size := id.Block()
		if got := fmt.Sprint(8 * float64(size) / float64(block)); got != want {
			t.Errorf("%v: %s bits a weight, want %s", id, got, want)
		}
	}
}

// A vocabulary of today's size must not make opening slow.
func BenchmarkOpenLargeVocabulary(b *testing.B) {
	const n = 250_000
	tokens, merges, types := make([]string, n), make([]string, n), make([]int32, n)
	for i := range n {
		tokens[i] = fmt.Sprintf("token%d", i)
		merges[i] = fmt.Sprintf("to ken%d", i)
	}
	var w Writer
	w.KV("tokenizer.ggml.tokens", tokens)
	w.KV("tokenizer.ggml.token_type", types)
	w.KV("tokenizer.ggml.merges", merges)
	path := filepath.Join(b.TempDir(), "vocab.gguf")
	if err := w.WriteFile(path); err != nil {
		b.Fatal(err)
	}
	b.Run("open", func(b *testing.B) {
		for b.Loop() {
			f, err := Open(path)
			if err != nil {
				b.Fatal(err)
			}
			f.Close()
		}
	})
	b.Run("open and decode", func(b *testing.B) {
		for b.Loop() {
			f, err := Open(path)
			if err != nil {
				b.Fatal(err)
			}
			_, e1 := GetArray[string](f, "tokenizer.ggml.tokens")
			_, e2 := GetArray[string](f, "tokenizer.ggml.merges")
			_, e3 := GetArray[int](f, "tokenizer.ggml.token_type")
			if err := errors.Join(e1, e2, e3); err != nil {
				b.Fatal(err)
			}
			f.Close()
		}
	})
}
