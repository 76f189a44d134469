package gguf

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"reflect"

	"github.com/deltaloom/deltaloom/graph"
)

// Writer collects metadata and tensors and writes them as one little-endian
// file of version 3, aligned to 32 bytes. Its zero value is ready to use. The
// first error sticks and is returned by WriteTo and WriteFile. What they write
// has passed the checks of the reader.
type Writer struct {
	kvs     []byte
	nKVs    uint64
	tensors []source
	err     error
}

// source is a tensor to be written.
type source struct {
	name  string
	shape graph.Shape
	write func(io.Writer) error // writes shape.Bytes() bytes
}

// KV adds a metadata entry. The Go type of value decides the type in the file:
// uint8 … uint64, int8 … int64, float32, float64, bool, string or a slice of
// one of those (not int, whose width a file cannot state). What KV.Value
// returns is written as it was.
func (w *Writer) KV(key string, value any) {
	if w.err != nil {
		return
	}
	w.kvs = appendString(w.kvs, key)
	w.kvs, w.err = appendValue(w.kvs, value)
	if w.err == nil && key == alignmentKey && value != any(uint32(writeAlign)) {
		w.err = fmt.Errorf("the writer aligns to %d, not %v", writeAlign, value)
	}
	if w.err != nil {
		w.err = fmt.Errorf("key %q: %w", key, w.err)
	}
	w.nKVs++
}

// Tensor adds a tensor whose packed elements are data, shape.Bytes() bytes.
// data is not copied and must not change before it is written.
func (w *Writer) Tensor(name string, shape graph.Shape, data []byte) {
	w.TensorFunc(name, shape, func(out io.Writer) error {
		_, err := out.Write(data)
		return err
	})
}

// TensorFunc adds a tensor whose packed elements write produces, shape.Bytes()
// bytes, when the file is written: large files need not fit in memory.
func (w *Writer) TensorFunc(name string, shape graph.Shape, write func(io.Writer) error) {
	if w.err != nil {
		return
	}
	_, known := tensorTypeOf[shape.DType]
	block, _ := shape.DType.Block()
	switch {
	case !known || !shape.Valid():
		w.err = fmt.Errorf("tensor %q: shape %v is not valid", name, shape)
	case shape.Rank() > maxDims:
		w.err = fmt.Errorf("tensor %q: rank %d is more than %d", name, shape.Rank(), maxDims)
	case shape.Dim(-1)%block != 0: // before sizes are computed; Dim of a scalar is 1
		w.err = fmt.Errorf("tensor %q: innermost extent of %v is not a multiple of %d", name, shape, block)
	}
	w.tensors = append(w.tensors, source{name, shape, write})
}

// WriteFile writes to a temporary file beside path, which it renames when
// everything went well and removes otherwise.
func (w *Writer) WriteFile(path string) error {
	if err := w.writeFile(path); err != nil {
		return fmt.Errorf("gguf: %s: %w", path, err)
	}
	return nil
}

func (w *Writer) writeFile(path string) (err error) {
	if w.err != nil {
		return w.err
	}
	temp := fmt.Sprintf("%s.%08x.tmp", path, rand.Uint32())
	// Not os.CreateTemp, whose files nobody else may read.
	file, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	renamed := false
	defer func() { // also when a tensor's function panics
		if !renamed {
			file.Close()
			os.Remove(temp)
		}
	}()
	if _, err := w.write(file); err != nil {
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	if err := os.Rename(temp, path); err != nil {
		return err
	}
	renamed = true
	return nil
}

// WriteTo writes the file to dst and returns the bytes written. It may be
// called again, if the functions given to TensorFunc may.
func (w *Writer) WriteTo(dst io.Writer) (int64, error) {
	n, err := w.write(dst)
	if err != nil {
		return n, fmt.Errorf("gguf: %w", err)
	}
	return n, nil
}

func (w *Writer) write(dst io.Writer) (int64, error) {
	if w.err != nil {
		return 0, w.err
	}
	header, dataSize := w.header()
	// The reader is the judge: keys, names, alignment and layout need no second
	// set of checks here.
	if _, err := parseHeader(header, int64(len(header))+dataSize); err != nil {
		return 0, err
	}
	written := &counter{dst: dst}
	buf := bufio.NewWriterSize(written, 1<<20)
	out := &exactWriter{dst: buf}
	if err := out.bytes(header); err != nil {
		return written.n, err
	}
	for i, t := range w.tensors {
		err := out.section(t.shape.Bytes(), t.write)
		if err == nil {
			err = out.bytes(make([]byte, pad(out.total, writeAlign)-out.total))
		}
		if err != nil {
			return written.n, tensorError(i, t.name, err)
		}
	}
	err := buf.Flush()
	return written.n, err
}

// header returns what precedes the tensor data, padded, and the size of that data.
func (w *Writer) header() (b []byte, dataSize int64) {
	b = append(b, magic...)
	b = binary.LittleEndian.AppendUint32(b, writeVersion)
	b = binary.LittleEndian.AppendUint64(b, uint64(len(w.tensors)))
	b = binary.LittleEndian.AppendUint64(b, w.nKVs)
	b = append(b, w.kvs...)
	for _, t := range w.tensors {
		b = appendString(b, t.name)
		dims := t.shape.Dims()
		b = binary.LittleEndian.AppendUint32(b, uint32(len(dims)))
		for i := len(dims) - 1; i >= 0; i-- {
			b = binary.LittleEndian.AppendUint64(b, uint64(dims[i]))
		}
		b = binary.LittleEndian.AppendUint32(b, uint32(tensorTypeOf[t.shape.DType]))
		b = binary.LittleEndian.AppendUint64(b, uint64(dataSize))
		dataSize = pad(dataSize+t.shape.Bytes(), writeAlign)
	}
	return append(b, make([]byte, pad(int64(len(b)), writeAlign)-int64(len(b)))...), dataSize
}

func appendString(b []byte, s string) []byte {
	return append(binary.LittleEndian.AppendUint64(b, uint64(len(s))), s...)
}

// kinds maps the Go types of values to types in a file.
var kinds = map[reflect.Kind]ValueType{
	reflect.Uint8: Uint8, reflect.Int8: Int8, reflect.Uint16: Uint16, reflect.Int16: Int16,
	reflect.Uint32: Uint32, reflect.Int32: Int32, reflect.Uint64: Uint64, reflect.Int64: Int64,
	reflect.Float32: Float32, reflect.Float64: Float64, reflect.Bool: Bool, reflect.String: String,
}

// appendValue appends type and value.
func appendValue(b []byte, value any) ([]byte, error) {
	v := reflect.ValueOf(value)
	if !v.IsValid() {
		return b, errors.New("no value")
	}
	t, ok := kinds[v.Kind()]
	if ok {
		b = binary.LittleEndian.AppendUint32(b, uint32(t))
		if t == String {
			return appendString(b, v.String()), nil
		}
		return binary.Append(b, binary.LittleEndian, value)
	}
	if v.Kind() == reflect.Slice {
		t, ok = kinds[v.Type().Elem().Kind()]
	}
	if !ok {
		return b, fmt.Errorf("no metadata type for a %T", value)
	}
	b = binary.LittleEndian.AppendUint32(b, uint32(Array))
	b = binary.LittleEndian.AppendUint32(b, uint32(t))
	b = binary.LittleEndian.AppendUint64(b, uint64(v.Len()))
	if t == String {
		for i := range v.Len() {
			b = appendString(b, v.Index(i).String())
		}
		return b, nil
	}
	return binary.Append(b, binary.LittleEndian, value)
}
