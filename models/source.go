package models

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"unsafe"

	"github.com/deltaloom/deltaloom/gguf"
	"github.com/deltaloom/deltaloom/graph"
)

// Source gives the weights of a model by name. Calls may be concurrent.
type Source interface {
	Tensor(name string) (graph.Tensor, error)
}

// FileWeights returns the weights of a file, as they are stored there. Nothing
// is copied where the machine can read the file's bytes as they lie, so the
// tensors are read-only and end when the file is closed.
func FileWeights(f *gguf.File) Source { return fileWeights{f} }

type fileWeights struct{ f *gguf.File }

func (w fileWeights) Tensor(name string) (graph.Tensor, error) {
	t, ok := w.f.Tensor(name)
	if !ok {
		return graph.Tensor{}, fmt.Errorf("models: tensor %q is missing", name)
	}
	out := graph.Tensor{Shape: t.Shape}
	data := t.Data()
	switch {
	case !t.Shape.Valid():
		return graph.Tensor{}, fmt.Errorf("models: tensor %q: type %v: %w", name, t.Type, errors.ErrUnsupported)
	case t.Shape.DType == graph.I32:
		return graph.Tensor{}, fmt.Errorf("models: tensor %q: type %v holds no weights", name, t.Type)
	case t.Shape.DType == graph.F32:
		out.F = floats(data)
	default:
		out.Raw = data
	}
	if err := out.Check(); err != nil { // the file was closed
		return graph.Tensor{}, fmt.Errorf("models: tensor %q: %w", name, err)
	}
	return out, nil
}

// floats returns little-endian numbers, in place where the machine is
// little-endian too and the bytes are aligned.
func floats(b []byte) []float32 {
	if len(b) < 4 {
		return nil
	}
	little := binary.NativeEndian.Uint16([]byte{1, 0}) == 1
	if p := unsafe.Pointer(&b[0]); little && uintptr(p)%unsafe.Alignof(float32(0)) == 0 {
		return unsafe.Slice((*float32)(p), len(b)/4)
	}
	out := make([]float32, len(b)/4)
	for i := range out {
		out[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return out
}
