package gguf

import (
	"errors"
	"math"
	"runtime"
	"strings"
	"testing"

	"github.com/deltaloom/deltaloom/graph"
)

func TestParseErrors(t *testing.T) {
	const f32, q8_0 = 0, 8
	long := strings.Repeat("n", 64)
	for _, c := range []struct {
		name string
		data []byte
		text string
	}{
		{"empty", nil, "the file ends at 0"},
		{"magic", le("GGML", uint32(3), int64(0), int64(0)), "not a GGUF file"},
		{"version 0", head(0, 0, 0), "version 0"},
		{"version 1", head(1, 0, 0), "version 1"},
		{"version 4", head(4, 0, 0), "version 4"},
		{"big-endian", head(3<<24, 0, 0), "big-endian"},
		{"negative tensor count", head(3, -1, 0), "tensor count: -1"},
		{"huge tensor count", head(3, math.MaxInt64, 0), "tensor count"},
		{"tensor count beyond the file", file(0, head(3, 3, 0)), "tensor count: 3 do not fit"},
		{"negative key count", head(3, 0, math.MinInt64), "key count: -9223372036854775808"},
		{"key count beyond the file", file(0, head(3, 0, 1)), "key count: 1 do not fit in the 8 bytes"},

		{"empty key", file(0, head(3, 0, 1), kv("", Uint64, uint64(0))), `key 0 "": empty key`},
		{"duplicate key", file(0, head(3, 0, 2), kv("k", Bool, true), kv("k", Uint8, uint8(1))), `key 1 "k": duplicate key`},
		{"key length", file(0, head(3, 0, 1), le(uint64(1<<62), "k")), "length 4611686018427387904 is more than"},
		{"key beyond the file", file(0, head(3, 0, 1), le(uint64(100), "k")), "key: 100 bytes at offset 32"},
		{"value type 13", file(0, head(3, 0, 1), kv("k", 13, uint64(0))), `key 0 "k": unknown value type 13`},
		{"value type -1", file(0, head(3, 0, 1), kv("k", math.MaxUint32, uint64(0))), "unknown value type 4294967295"},
		{"string beyond the file", file(0, head(3, 0, 1), kv("k", String, uint64(1000))), `"k": string: 1000 bytes`},
		{"string over the limit", file(0, head(3, 0, 1), kv("k", String, uint64(1<<30+1))), "more than 1073741824"},
		{"value cut", append(head(3, 0, 1), kv("key00", Uint64, uint32(0))...), `key 0 "key00": value: 8 bytes`},
		{"array of arrays", file(0, head(3, 0, 1), kv("k", Array, uint32(Array), uint64(1), uint64(0))), "arrays of arrays"},
		{"array of unknown", file(0, head(3, 0, 1), kv("k", Array, uint32(77), uint64(1))), "unknown element type 77"},
		{"array over the limit", file(0, head(3, 0, 1), kv("k", Array, uint32(Uint8), uint64(1<<30+1))), "array length 1073741825 is more than"},
		{"array length wraps", file(0, head(3, 0, 1), kv("k", Array, uint32(Uint64), uint64(1)<<61)), "array length"},
		{"array beyond the file", file(0, head(3, 0, 1), kv("k", Array, uint32(Uint64), uint64(1<<30))), "value: 8589934592 bytes"},
		{"strings beyond the file", file(0, head(3, 0, 1), kv("k", Array, uint32(String), uint64(1<<30))), "array of strings"},
		{"string in array beyond the file", file(0, head(3, 0, 1), kv("k", Array, uint32(String), uint64(1), uint64(99))), "array of strings: 99 bytes"},

		{"alignment type", file(0, head(3, 0, 1), kv("general.alignment", Uint64, uint64(32))), `"general.alignment": type u64, want u32`},
		{"alignment 0", file(0, head(3, 0, 1), kv("general.alignment", Uint32, uint32(0))), "0 is not a power of two"},
		{"alignment 24", file(0, head(3, 0, 1), kv("general.alignment", Uint32, uint32(24))), "24 is not a power of two"},
		{"split", file(0, head(3, 0, 1), kv("split.count", Uint16, uint16(3))), "split into 3 files"},
		{"split type", file(0, head(3, 0, 1), kv("split.count", String, str("3"))), `"split.count": type string, want an integer`},

		{"name of 64 bytes", file(32, head(3, 1, 0), info(long, f32, 0, 1)), "name of 64 bytes"},
		{"duplicate name", file(64, head(3, 2, 0), info("t", f32, 0, 1), info("t", f32, 32, 1)), `tensor 1 "t": duplicate name`},
		{"rank 5", file(32, head(3, 1, 0), info("t", f32, 0, 1, 1, 1, 1, 1)), "5 extents"},
		{"rank 2^32-1", file(32, head(3, 1, 0), le(str("t"), uint32(math.MaxUint32), int64(0), uint64(0))), "4294967295 extents"},
		{"negative extent", file(32, head(3, 1, 0), info("t", f32, 0, 4, -1)), "extent -1 is out of range"},
		{"product overflows", file(32, head(3, 1, 0), info("t", f32, 0, 1<<32, 1<<31)), "overflows"},
		{"product overflows before a zero", file(32, head(3, 1, 0), info("t", f32, 0, 1<<32, 1<<31, 0)), "overflows"},
		{"bytes overflow", file(32, head(3, 1, 0), info("t", 28, 0, math.MaxInt64)), "elements of f64 are larger than the file"},
		{"retired type", file(32, head(3, 1, 0), info("t", 4, 0, 32)), "retired tensor type 4"},
		{"type 43", file(32, head(3, 1, 0), info("t", 43, 0, 32)), "tensor type 43"},
		{"type -1", file(32, head(3, 1, 0), info("t", math.MaxUint32, 0, 32)), "tensor type 4294967295"},
		{"part of a block", file(96, head(3, 1, 0), info("t", q8_0, 0, 16, 2)), "innermost extent 16 is not a multiple of the 32 of q8_0"},
		{"scalar block", file(96, head(3, 1, 0), info("t", q8_0, 0)), "innermost extent 1 is not a multiple"},
		{"first offset", file(64, head(3, 1, 0), info("t", f32, 32, 1)), `tensor 0 "t": offset 32, want 0`},
		{"huge offset", file(64, head(3, 1, 0), info("t", f32, math.MaxUint64-31, 1)), "want 0"},
		{"misaligned", file(64, head(3, 2, 0), info("a", f32, 0, 1), info("b", f32, 4, 1)), `"b": offset 4, want 32`},
		{"overlap", file(96, head(3, 2, 0), info("a", f32, 0, 9), info("b", f32, 32, 1)), `"b": offset 32, want 64`},
		{"gap", file(96, head(3, 2, 0), info("a", f32, 0, 1), info("b", f32, 64, 1)), `"b": offset 64, want 32`},
		{"out of order", file(96, head(3, 2, 0), info("a", f32, 32, 1), info("b", f32, 0, 1)), `"a": offset 32, want 0`},
		{"default alignment", file(96, head(3, 2, 1), kv("k", Bool, true), info("a", f32, 0, 1), info("b", f32, 16, 1)), "want 32"},
		{"data beyond the file", file(35, head(3, 2, 0), info("a", f32, 0, 1), info("b", f32, 32, 1)), `"b": ends at byte`},
		{"no data", head(3, 1, 0), "tensor count: 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, err := Parse(c.data)
			if err == nil || f != nil {
				t.Fatal("accepted")
			}
			if !strings.Contains(err.Error(), c.text) || !strings.HasPrefix(err.Error(), "gguf: ") {
				t.Errorf("got %q, want … %s …", err, c.text)
			}
		})
	}
}

func TestUnsupportedIsMarked(t *testing.T) {
	for _, data := range [][]byte{
		head(1, 0, 0), head(3<<24, 0, 0),
		file(0, head(3, 0, 1), kv("split.count", Uint16, uint16(2))),
	} {
		if _, err := Parse(data); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("got %v", err)
		}
	}
}

func TestParseAccepts(t *testing.T) {
	for _, c := range []struct {
		name  string
		data  []byte
		check func(f *File) bool
	}{
		{"version 2", file(0, head(2, 0, 0)), func(f *File) bool { return f.Version() == 2 }},
		{"no padding after the header", head(3, 0, 0), func(f *File) bool { return len(f.KVs()) == 0 }},
		{"no padding after the last tensor", file(4, head(3, 1, 0), info("t", 0, 0, 1)), func(f *File) bool {
			return len(f.Tensors()[0].Data()) == 4
		}},
		{"alignment 8", file(12, head(3, 2, 1), kv("general.alignment", Uint32, uint32(8)), info("a", 0, 0, 1), info("b", 0, 8, 1)), func(f *File) bool {
			return f.Alignment() == 8
		}},
		{"single file of a split", file(0, head(3, 0, 1), kv("split.count", Uint16, uint16(1))), func(f *File) bool { return true }},
		{"zero extents take no room", file(4, head(3, 3, 0), info("a", 0, 0, 0), info("b", 8, 0, 32, 0), info("c", 0, 0, 1)), func(f *File) bool {
			b, _ := f.Tensor("b")
			return b.Data() == nil && !b.Shape.Valid() && b.Size == 0 && b.Dims()[0] == 0 && b.Dims()[1] == 32
		}},
		{"only zero extents, no data section", head3(1, info("a", 0, 0, 0)), func(f *File) bool { return f.Tensors()[0].Data() == nil }},
		{"types that no graph has", file(100, head(3, 2, 0), info("a", 16, 0, 256), info("b", 24, 96, 4)), func(f *File) bool {
			a, _ := f.Tensor("a")
			return a.Type.String() == "iq2_xxs" && a.Size == 66 && !a.Shape.Valid() && a.Dims()[0] == 256 && len(a.Data()) == 66
		}},
		{"empty tensor name", file(4, head(3, 1, 0), info("", 0, 0, 1)), func(f *File) bool { _, ok := f.Tensor(""); return ok }},
		{"outermost first", file(24, head(3, 1, 0), info("t", 0, 0, 3, 2)), func(f *File) bool {
			return f.Tensors()[0].Shape == graph.ShapeOf(graph.F32, 2, 3)
		}},
		{"bytes after the last tensor", file(1000, head(3, 1, 0), info("t", 0, 0, 1)), func(f *File) bool { return true }},
		{"a bool that is neither 0 nor 1", file(0, head(3, 0, 1), kv("k", Bool, uint8(2))), func(f *File) bool {
			v, err := Get[bool](f, "k")
			return v && err == nil
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, err := Parse(c.data)
			if err != nil {
				t.Fatal(err)
			}
			exercise(t, f, c.data)
			if !c.check(f) {
				t.Error("wrong content")
			}
		})
	}
}

// head3 is a header without any padding.
func head3(tensors int64, parts ...[]byte) []byte {
	return append(head(3, tensors, 0), le(parts[0])...)
}

func TestTruncated(t *testing.T) {
	data := sample(t)
	f, err := Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	tensors := f.Tensors()
	last := tensors[len(tensors)-1]
	end := int(last.Offset + last.Size)
	if end == len(data) {
		t.Fatal("the sample should end with padding")
	}
	for n := range data {
		f, err := Parse(data[:n:n])
		if (err == nil) != (n >= end) {
			t.Fatalf("%d of %d bytes: error %v", n, len(data), err)
		}
		if err == nil {
			exercise(t, f, data[:n])
		}
	}
}

// Whatever a single byte of the header says, the file is refused or in range.
func TestEveryByteLies(t *testing.T) {
	data := sample(t)
	f, _ := Parse(data)
	for i := range f.Tensors()[0].Offset {
		old := data[i]
		for _, v := range []byte{0, 1, 4, 9, 0x7f, 0x80, 0xff, old + 1, old - 1} {
			data[i] = v
			if f, err := Parse(data); err == nil {
				exercise(t, f, data)
			}
		}
		data[i] = old
	}
}

// No allocation is sized by what the file merely claims.
func TestClaimsAllocateNothing(t *testing.T) {
	for name, data := range map[string][]byte{
		"tensors":    file(0, head(3, 1<<40, 0)),
		"keys":       file(0, head(3, 0, 1<<40)),
		"key":        file(0, head(3, 0, 1), le(uint64(1<<30), "k")),
		"string":     file(0, head(3, 0, 1), kv("k", String, uint64(1<<30))),
		"strings":    file(0, head(3, 0, 1), kv("k", Array, uint32(String), uint64(1<<30))),
		"numbers":    file(0, head(3, 0, 1), kv("k", Array, uint32(Uint8), uint64(1<<30))),
		"extents":    file(32, head(3, 1, 0), info("t", 0, 0, 1<<40)),
		"dimensions": file(32, head(3, 1, 0), le(str("t"), uint32(1<<31), int64(0), int64(0))),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := Parse(data)
		runtime.ReadMemStats(&after)
		if err == nil {
			t.Errorf("%s: accepted", name)
		}
		if n := after.TotalAlloc - before.TotalAlloc; n > 64<<10 {
			t.Errorf("%s: %d bytes allocated for a file of %d", name, n, len(data))
		}
	}
}
