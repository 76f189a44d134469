package gguf

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

// got is a value or the text of an error.
func got[T any](v T, err error) any {
	if err != nil {
		return err.Error()
	}
	return v
}

func TestGet(t *testing.T) {
	f, err := Parse(sample(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ got, want any }{
		{got(Get[string](f, "general.architecture")), "qwen35"},
		{got(Get[string](f, "empty")), ""},
		{got(Get[bool](f, "true")), true},
		{got(Get[bool](f, "false")), false},
		{got(Get[int](f, "u8")), 200},
		{got(Get[int](f, "i8")), -3},
		{got(Get[int32](f, "i16")), int32(-30000)},
		{got(Get[uint32](f, "u32")), uint32(4e9)},
		{got(Get[int64](f, "i64")), int64(-1) << 62},
		{got(Get[uint64](f, "u64")), uint64(1) << 63},
		{got(Get[float32](f, "f32")), float32(1e-6)},
		{got(Get[float64](f, "f32")), float64(float32(1e-6))},
		{got(Get[float64](f, "f64")), 1e-300},
		{got(Get[float32](f, "f64")), float32(0)},
		{got(GetArray[string](f, "strings")), []string{"a", "", "Ġthe", "\xff\x00"}},
		{got(GetArray[string](f, "no strings")), []string{}},
		{got(GetArray[bool](f, "bools")), []bool{true, false, true}},
		{got(GetArray[int](f, "i8s")), []int{-1, 2}},
		{got(GetArray[uint64](f, "u32s")), []uint64{0, 4e9}},
		{got(GetArray[float64](f, "f32s")), []float64{0.5, -1}},
		{got(GetOr(f, "absent", 10000.0)), 10000.0},
		{got(GetOr(f, "u8", 7)), 200},

		{got(Get[int](f, "absent")), `gguf: key "absent": no such key`},
		{got(GetArray[int](f, "absent")), `gguf: key "absent": no such key`},
		{got(Get[int](f, "f32")), `gguf: key "f32": type f32, want an integer`},
		{got(Get[int](f, "true")), `gguf: key "true": type bool, want an integer`},
		{got(Get[string](f, "u8")), `gguf: key "u8": type u8, want string`},
		{got(Get[bool](f, "u8")), `gguf: key "u8": type u8, want bool`},
		{got(Get[float64](f, "u8")), `gguf: key "u8": type u8, want a float`},
		{got(GetOr(f, "u8", "x")), `gguf: key "u8": type u8, want string`},
		{got(Get[int](f, "i8s")), `gguf: key "i8s": type array of i8, want one int`},
		{got(GetArray[int](f, "u8")), `gguf: key "u8": type u8, want array of int`},
		{got(GetArray[string](f, "i8s")), `gguf: key "i8s": element 0: type i8, want string`},
		{got(Get[int32](f, "u32")), `gguf: key "u32": value 4000000000 does not fit in int32`},
		{got(Get[int64](f, "u64")), `gguf: key "u64": value 9223372036854775808 does not fit in int64`},
		{got(Get[uint64](f, "i8")), `gguf: key "i8": value -3 does not fit in uint64`},
		{got(Get[int32](f, "i64")), `gguf: key "i64": value -4611686018427387904 does not fit in int32`},
		{got(GetArray[uint32](f, "i32s")), `gguf: key "i32s": element 0: value -1 does not fit in uint32`},
	} {
		if !reflect.DeepEqual(c.got, c.want) {
			t.Errorf("got %#v, want %#v", c.got, c.want)
		}
	}
	if _, err := Get[int](f, "absent"); !errors.Is(err, ErrNoKey) {
		t.Errorf("%v does not wrap ErrNoKey", err)
	}
	if _, err := Get[int](f, "f32"); errors.Is(err, ErrNoKey) {
		t.Errorf("%v wraps ErrNoKey", err)
	}
}

func TestErrorsNameTheFile(t *testing.T) {
	path := writeSample(t)
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := Get[int](f, "f32"); err == nil || !strings.HasPrefix(err.Error(), "gguf: "+path+`: key "f32": `) {
		t.Errorf("got %v", err)
	}
}
