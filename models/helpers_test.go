package models

import (
	"bytes"
	"encoding/binary"
	"flag"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/deltaloom/deltaloom/gguf"
	"github.com/deltaloom/deltaloom/graph"
)

var update = flag.Bool("update", false, "rewrite the files of testdata")

// golden compares text with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o666); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs (go test -update rewrites it); got:\n%s", path, got)
	}
}

func builtIn(t testing.TB, name string) *Config {
	t.Helper()
	c, err := ByName(name)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// tinyModels are the built-in models that the reference evaluator can run.
func tinyModels() []string {
	return slices.DeleteFunc(Names(), func(name string) bool { return !strings.HasSuffix(name, "-tiny") })
}

func build(t testing.TB, c *Config, s Step) *graph.Graph {
	t.Helper()
	g, err := Build(c, s)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// file is a GGUF file to be: what a test changes before it is parsed.
type file struct {
	kvs     []KV
	tensors []Weight
	data    Source
}

func fileOf(c *Config) *file {
	return &file{c.Metadata(), c.Weights(), Synthetic(c, 1)}
}

func (f *file) set(key string, value any) {
	f.drop(key)
	f.kvs = append(f.kvs, KV{key, value})
}

func (f *file) drop(key string) {
	for i, kv := range f.kvs {
		if kv.Key == key {
			f.kvs = append(f.kvs[:i], f.kvs[i+1:]...)
			return
		}
	}
}

func (f *file) parse(t testing.TB) *gguf.File {
	t.Helper()
	parsed, err := gguf.Parse(f.bytes(t))
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

func (f *file) bytes(t testing.TB) []byte {
	t.Helper()
	var w gguf.Writer
	for _, kv := range f.kvs {
		w.KV(kv.Key, kv.Value)
	}
	for _, weight := range f.tensors {
		w.TensorFunc(weight.Name, weight.Shape, func(out io.Writer) error {
			x, err := f.data.Tensor(weight.Name)
			if err != nil || x.Shape != weight.Shape {
				x = graph.NewTensor(weight.Shape)
			}
			if x.F == nil {
				_, err = out.Write(make([]byte, weight.Shape.Bytes()))
				return err
			}
			b := make([]byte, 0, 4*len(x.F))
			for _, v := range x.F {
				b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
			}
			_, err = out.Write(b)
			return err
		})
	}
	var buf bytes.Buffer
	if _, err := w.WriteTo(&buf); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}
