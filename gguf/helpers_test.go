package gguf

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/deltaloom/deltaloom/graph"
)

// le encodes values one after another; a string is its bytes, without length.
func le(values ...any) []byte {
	var b []byte
	for _, v := range values {
		switch v := v.(type) {
		case string:
			b = append(b, v...)
		case []byte:
			b = append(b, v...)
		default:
			var err error
			if b, err = binary.Append(b, binary.LittleEndian, v); err != nil {
				panic(err)
			}
		}
	}
	return b
}

// str encodes a string with its length.
func str(s string) []byte { return le(uint64(len(s)), s) }

// head encodes the fixed header.
func head(version uint32, tensors, kvs int64) []byte { return le("GGUF", version, tensors, kvs) }

// kv encodes an entry; value is what follows the type.
func kv(key string, t ValueType, value ...any) []byte {
	return le(str(key), uint32(t), le(value...))
}

// info encodes a tensor's entry; ne is innermost first, as in a file.
func info(name string, typ uint32, offset uint64, ne ...int64) []byte {
	return le(str(name), uint32(len(ne)), ne, typ, offset)
}

// file joins the parts, pads to 32 bytes and appends data bytes.
func file(data int, parts ...[]byte) []byte {
	b := bytes.Join(parts, nil)
	return append(b, make([]byte, int(pad(int64(len(b)), 32))-len(b)+data)...)
}

// pattern returns n bytes that tell their position.
func pattern(n int64) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + 1)
	}
	return b
}

var sampleKVs = []struct {
	key   string
	value any
}{
	{"general.architecture", "qwen35"},
	{"u8", uint8(200)}, {"i8", int8(-3)}, {"u16", uint16(60000)}, {"i16", int16(-30000)},
	{"u32", uint32(4e9)}, {"i32", int32(-2e9)}, {"u64", uint64(1) << 63}, {"i64", int64(-1) << 62},
	{"f32", float32(1e-6)}, {"f64", 1e-300}, {"true", true}, {"false", false}, {"empty", ""},
	{"strings", []string{"a", "", "Ġthe", "\xff\x00"}}, {"no strings", []string{}},
	{"bools", []bool{true, false, true}}, {"u8s", []uint8{1, 2}}, {"i8s", []int8{-1, 2}},
	{"u16s", []uint16{1}}, {"i16s", []int16{-1}}, {"u32s", []uint32{0, 4e9}}, {"i32s", []int32{-1, 1}},
	{"u64s", []uint64{1 << 63}}, {"i64s", []int64{-1}}, {"f32s", []float32{0.5, -1}}, {"f64s", []float64{0.25}},
	{"no floats", []float32{}},
}

var sampleTensors = []struct {
	name  string
	shape graph.Shape
}{
	{"token_embd.weight", graph.ShapeOf(graph.Q8_0, 3, 64)},
	{"scalar", graph.ShapeOf(graph.F32)},
	{"blk.0.norm", graph.ShapeOf(graph.F32, 5)},
	{"blk.0.conv", graph.ShapeOf(graph.F16, 2, 3, 4)},
	{"blk.0.exps", graph.ShapeOf(graph.Q4_K, 2, 1, 1, 256)},
	{"ids", graph.ShapeOf(graph.I32, 7)},
	{"last", graph.ShapeOf(graph.BF16, 1)},
}

// sample returns a file that holds every value type and several shapes.
func sample(t testing.TB) []byte {
	t.Helper()
	var w Writer
	for _, e := range sampleKVs {
		w.KV(e.key, e.value)
	}
	for _, e := range sampleTensors {
		w.Tensor(e.name, e.shape, pattern(e.shape.Bytes()))
	}
	return written(t, &w)
}

func written(t testing.TB, w *Writer) []byte {
	t.Helper()
	var b bytes.Buffer
	n, err := w.WriteTo(&b)
	if err != nil {
		t.Fatal(err)
	}
	if n != int64(b.Len()) {
		t.Fatalf("WriteTo reports %d bytes, wrote %d", n, b.Len())
	}
	return b.Bytes()
}

// exercise calls everything that a file offers and checks that what it returns
// lies in range. It must not panic, whatever Parse accepted.
func exercise(t testing.TB, f *File, data []byte) {
	t.Helper()
	for _, e := range f.KVs() {
		if got, ok := f.KV(e.Key); !ok || got != e {
			t.Fatalf("KV(%q) is not the entry of KVs", e.Key)
		}
		if e.Value() == nil {
			t.Fatalf("KV(%q) has no value", e.Key)
		}
		getAs[string](t, f, e)
		getAs[bool](t, f, e)
		getAs[int](t, f, e)
		getAs[int32](t, f, e)
		getAs[int64](t, f, e)
		getAs[uint32](t, f, e)
		getAs[uint64](t, f, e)
		getAs[float32](t, f, e)
		getAs[float64](t, f, e)
	}
	end := int64(0)
	for i, x := range f.Tensors() {
		if got, ok := f.Tensor(x.Name); !ok || got != x {
			t.Fatalf("Tensor(%q) is not the entry of Tensors", x.Name)
		}
		d := x.Data()
		if int64(len(d)) != x.Size || cap(d) != len(d) {
			t.Fatalf("%q: %d bytes (capacity %d), size %d", x.Name, len(d), cap(d), x.Size)
		}
		if x.Size > 0 {
			if x.Offset < end || x.Offset%f.Alignment() != 0 || x.Offset+x.Size > int64(len(data)) {
				t.Fatalf("%q: bytes [%d, %d) of %d, the previous one ends at %d", x.Name, x.Offset, x.Offset+x.Size, len(data), end)
			}
			if &d[0] != &data[x.Offset] {
				t.Fatalf("%q: data is not at its offset", x.Name)
			}
			end = x.Offset + x.Size
		}
		elements := int64(1)
		for _, n := range x.Dims() {
			elements *= int64(n)
		}
		block, size := x.Type.Block()
		if elements/int64(block)*int64(size) != x.Size {
			t.Fatalf("tensor %d %q: %v of %v has %d bytes", i, x.Name, x.Dims(), x.Type, x.Size)
		}
		if x.Shape.Valid() && (x.Shape.Bytes() != x.Size || x.Shape.DType != x.Type.DType()) {
			t.Fatalf("%q: shape %v, type %v, %d bytes", x.Name, x.Shape, x.Type, x.Size)
		}
		if !x.Shape.Valid() && elements > 0 && x.Type.DType() != graph.Invalid {
			t.Fatalf("%q: no shape for %v of %v", x.Name, x.Dims(), x.Type)
		}
	}
}

func getAs[T Scalar](t testing.TB, f *File, e KV) {
	t.Helper()
	_, err := Get[T](f, e.Key)
	all, errs := GetArray[T](f, e.Key)
	if e.Type == Array && err == nil || e.Type != Array && errs == nil {
		t.Fatalf("key %q of type %v was read as both", e.Key, e.Type)
	}
	if errs == nil && len(all) != e.Len {
		t.Fatalf("key %q: %d elements, want %d", e.Key, len(all), e.Len)
	}
}
