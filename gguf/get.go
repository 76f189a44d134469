package gguf

import (
	"errors"
	"fmt"
)

// Scalar is a Go type that a metadata value, or the elements of an array, can
// be had as. Integers of every width convert to every integer type that holds
// the value; floats convert to both float types (f64 to float32 rounds); nothing
// else converts.
type Scalar interface {
	string | bool | int | int32 | int64 | uint32 | uint64 | float32 | float64
}

// Get returns the value of key. A missing key gives an error that wraps
// ErrNoKey; a value of another type gives one with the type found and wanted.
func Get[T Scalar](f *File, key string) (T, error) {
	var zero T
	kv, ok := f.KV(key)
	if !ok {
		return zero, f.keyError(key, ErrNoKey)
	}
	if kv.Type == Array {
		return zero, f.keyError(key, fmt.Errorf("type array of %v, want one %T", kv.Elem, zero))
	}
	v, err := converterTo[T]()(kv.Type, kv.raw)
	if err != nil {
		return zero, f.keyError(key, err)
	}
	return v, nil
}

// GetOr is Get for an optional key: where the file does not have it, the result
// is def.
func GetOr[T Scalar](f *File, key string, def T) (T, error) {
	v, err := Get[T](f, key)
	if errors.Is(err, ErrNoKey) {
		return def, nil
	}
	return v, err
}

// GetArray returns the elements of the array key, in a new slice. Errors are
// those of Get; strings share one copy of the array's bytes.
func GetArray[T Scalar](f *File, key string) ([]T, error) {
	kv, ok := f.KV(key)
	if !ok {
		return nil, f.keyError(key, ErrNoKey)
	}
	if kv.Type != Array {
		var zero T
		return nil, f.keyError(key, fmt.Errorf("type %v, want array of %T", kv.Type, zero))
	}
	v, err := decodeArray(kv, converterTo[T]())
	if err != nil {
		return nil, f.keyError(key, err)
	}
	return v, nil
}

// converterTo has a case for each type of Scalar, so the assertion holds.
func converterTo[T Scalar]() converter[T] {
	var zero T
	var c any
	switch any(zero).(type) {
	case string:
		c = converter[string](toString)
	case bool:
		c = converter[bool](toBool)
	case int:
		c = converter[int](toInteger[int])
	case int32:
		c = converter[int32](toInteger[int32])
	case int64:
		c = converter[int64](toInteger[int64])
	case uint32:
		c = converter[uint32](toInteger[uint32])
	case uint64:
		c = converter[uint64](toInteger[uint64])
	case float32:
		c = converter[float32](toFloat[float32])
	case float64:
		c = converter[float64](toFloat[float64])
	}
	return c.(converter[T])
}

func (f *File) keyError(key string, err error) error {
	return f.wrap(fmt.Errorf("key %q: %w", key, err))
}
