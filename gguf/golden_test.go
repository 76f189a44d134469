package gguf

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/quant"
)

// golden returns the folder of reference models, or skips the test.
func golden(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("DELTALOOM_GOLDEN")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared", "golden")
	}
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("SKIPPED %s: no reference models: %v (set DELTALOOM_GOLDEN)", t.Name(), err)
	}
	return dir
}

func goldenModels(t *testing.T) []string {
	t.Helper()
	dir := golden(t)
	var paths []string
	for _, pattern := range []string{"*.gguf", "*/*.gguf"} {
		found, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, found...)
	}
	if len(paths) == 0 {
		t.Skipf("SKIPPED %s: no .gguf in %s", t.Name(), dir)
	}
	return paths
}

func openGolden(t *testing.T, path string) *File {
	t.Helper()
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func TestGoldenOpens(t *testing.T) {
	for _, path := range goldenModels(t) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			f := openGolden(t, path)
			exercise(t, f, f.data)
			arch, err := Get[string](f, "general.architecture")
			if err != nil || arch == "" {
				t.Errorf("architecture %q, %v", arch, err)
			}
			for _, x := range f.Tensors() {
				if !x.Shape.Valid() {
					t.Errorf("%s: %v of %v has no shape", x.Name, x.Dims(), x.Type)
				}
			}
		})
	}
}

// The rows of the embedding are the vocabulary, whose size the logits state.
func TestGoldenShapes(t *testing.T) {
	for _, path := range goldenModels(t) {
		logits, err := os.ReadFile(strings.TrimSuffix(path, ".gguf") + ".prefill.bin")
		if err != nil {
			continue // a file of another kind
		}
		vocabulary := int(binary.LittleEndian.Uint32(logits[4:]))
		f := openGolden(t, path)
		arch, _ := Get[string](f, "general.architecture")
		width, err := Get[int](f, arch+".embedding_length")
		if err != nil {
			t.Error(err)
		}
		x, ok := f.Tensor("token_embd.weight")
		if !ok || x.Shape.Dim(0) != vocabulary || x.Shape.Dim(1) != width {
			t.Errorf("%s: embedding %v, want [%d %d]", path, x.Shape, vocabulary, width)
		}
	}
}

// Files of llama.cpp survive reading and writing to the byte, but for padding
// at the end, which a file without tensors need not have.
func TestGoldenCopies(t *testing.T) {
	for _, path := range goldenModels(t) {
		f := openGolden(t, path)
		var w Writer
		for _, e := range f.KVs() {
			w.KV(e.Key, e.Value())
		}
		for _, x := range f.Tensors() {
			w.Tensor(x.Name, x.Shape, x.Data())
		}
		rest, same := bytes.CutPrefix(written(t, &w), f.data)
		if !same || len(bytes.Trim(rest, "\x00")) > 0 || len(rest) > 0 && len(f.Tensors()) > 0 {
			t.Errorf("%s: the copy differs", path)
		}
	}
}

func TestGoldenVocabulary(t *testing.T) {
	path := filepath.Join(golden(t), "vocab", "qwen35.gguf")
	if _, err := os.Stat(path); err != nil {
		t.Skipf("SKIPPED %s: %v", t.Name(), err)
	}
	f := openGolden(t, path)
	tokens, err := GetArray[string](f, "tokenizer.ggml.tokens")
	if err != nil || len(tokens) != 151936 {
		t.Fatalf("%d tokens, %v", len(tokens), err)
	}
	types, err := GetArray[int](f, "tokenizer.ggml.token_type")
	if err != nil || len(types) != len(tokens) {
		t.Errorf("%d token types, %v", len(types), err)
	}
	if merges, err := GetArray[string](f, "tokenizer.ggml.merges"); err != nil || len(merges) == 0 {
		t.Errorf("%d merges, %v", len(merges), err)
	}
	if tokens[0] != "!" || tokens[25200] == "" {
		t.Errorf("first token %q", tokens[0])
	}
}

// Unpacking what llama.cpp packed and packing it again gives the same bytes.
func TestGoldenQ8_0(t *testing.T) {
	blocks := 0
	for _, path := range goldenModels(t) {
		for _, x := range openGolden(t, path).Tensors() {
			if x.Shape.DType != graph.Q8_0 {
				continue
			}
			values := make([]float32, x.Shape.Len())
			if err := quant.Unpack(graph.Q8_0, values, x.Data()); err != nil {
				t.Fatal(err)
			}
			packed := make([]byte, x.Size)
			if err := quant.Pack(graph.Q8_0, packed, values); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(packed, x.Data()) {
				t.Errorf("%s: %s: packing again changes it", path, x.Name)
			}
			blocks += len(packed) / 34
		}
	}
	t.Logf("%d blocks", blocks)
}
