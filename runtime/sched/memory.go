package sched

import (
	"fmt"
	"unsafe"

	"github.com/deltaloom/deltaloom/graph"
)

// Align is the alignment in bytes of buffers and of tensors in an arena. Inputs
// and weights that a host backend uses in place are aligned as their owner
// has them.
const Align = 64

// Buffer is memory of one backend; its dynamic type can be compared with ==.
type Buffer interface {
	Size() int64 // in bytes
	Free()       // after it the buffer is not used again
}

// Span is a piece of a buffer, offset and length in bytes.
type Span struct {
	Buf      Buffer
	Off, Len int64
}

// whole is the span of all of a buffer.
func whole(b Buffer) Span { return Span{b, 0, b.Size()} }

// part returns n bytes of the span from off.
func (s Span) part(off, n int64) Span { return Span{s.Buf, s.Off + off, n} }

// Bytes returns the memory of a span of host memory, nil for any other.
func (s Span) Bytes() []byte {
	h, ok := s.Buf.(Host)
	if !ok {
		return nil
	}
	return h.Bytes()[s.Off : s.Off+s.Len : s.Off+s.Len]
}

// Tensor returns the memory of a host span under a shape; it shares it.
func (s Span) Tensor(shape graph.Shape) graph.Tensor {
	t := graph.Tensor{Shape: shape}
	b := s.Bytes()
	if len(b) == 0 {
		return t
	}
	p := unsafe.Pointer(unsafe.SliceData(b))
	switch shape.DType {
	case graph.F32:
		t.F = unsafe.Slice((*float32)(p), len(b)/4)
	case graph.I32:
		t.I = unsafe.Slice((*int32)(p), len(b)/4)
	default:
		t.Raw = b
	}
	return t
}

// Host is memory of this process as a Buffer. Its bytes are in the byte order
// of the machine, its owner is whoever made the slice underneath.
type Host struct {
	p      *byte
	n      int64
	mapped bool // by AllocHost, until Free
}

// NewHost returns zeroed memory of the garbage collector, aligned to Align.
func NewHost(bytes int64) (Host, error) {
	if bytes < 0 || bytes > 1<<47 {
		return Host{}, fmt.Errorf("sched: cannot allocate %d bytes", bytes)
	}
	b := make([]byte, bytes+Align)
	off := -uintptr(unsafe.Pointer(&b[0])) % Align
	return Host{p: &b[off], n: bytes}, nil
}

// AllocHost is the Alloc of a host backend. Large memory comes from the operating
// system and goes back to it with Free. It takes room as it is written to, and the
// garbage collector, which lets garbage grow as large as what is in use, does not
// count it.
func AllocHost(bytes int64) (Buffer, error) {
	if bytes < 64<<10 || int64(int(bytes)) != bytes {
		return NewHost(bytes)
	}
	b, err := mapPages(int(bytes))
	if err != nil {
		return nil, err
	}
	return Host{p: &b[0], n: bytes, mapped: true}, nil
}

// HostOf returns the memory of a tensor, shared.
func HostOf(t graph.Tensor) Host {
	switch {
	case len(t.F) > 0:
		return Host{p: (*byte)(unsafe.Pointer(&t.F[0])), n: int64(len(t.F)) * 4}
	case len(t.I) > 0:
		return Host{p: (*byte)(unsafe.Pointer(&t.I[0])), n: int64(len(t.I)) * 4}
	case len(t.Raw) > 0:
		return Host{p: &t.Raw[0], n: int64(len(t.Raw))}
	}
	return Host{}
}

func (h Host) Size() int64   { return h.n }
func (h Host) Bytes() []byte { return unsafe.Slice(h.p, h.n) }

// Free gives back what AllocHost returned; other memory is its owner's.
func (h Host) Free() {
	if h.mapped {
		unmapPages(h.Bytes())
	}
}

// CopyHost is the Copy of a host backend.
func CopyHost(dst, src Span) error {
	to, from := dst.Bytes(), src.Bytes()
	if to == nil || len(to) != len(from) {
		return fmt.Errorf("sched: copy of %d bytes of %T to %d bytes of %T", src.Len, src.Buf, dst.Len, dst.Buf)
	}
	copy(to, from)
	return nil
}
