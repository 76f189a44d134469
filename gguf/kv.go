package gguf

import (
	"fmt"
	"math"
)

// KV is one metadata entry. Its bytes were checked and copied when the file was
// opened, so it outlives the file; they are decoded on each call.
type KV struct {
	Key  string
	Type ValueType
	Elem ValueType // of an array, else Type
	Len  int       // elements of an array, else 1
	raw  string    // the value as in the file; of a string without its length
}

// parseValue reads type and value of an entry whose key has been read.
func parseValue(c *cursor, key string) KV {
	kv := KV{Key: key, Type: ValueType(c.u32("type")), Len: 1}
	kv.Elem = kv.Type
	switch {
	case c.err != nil:
		return kv
	case !kv.Type.known():
		c.fail("unknown value type %d", uint32(kv.Type))
	case kv.Type == String:
		kv.raw = string(c.str("string"))
		return kv
	case kv.Type == Array:
		kv.Elem = ValueType(c.u32("element type"))
		n := c.u64("array length")
		if n > maxArrayLen {
			c.fail("array length %d is more than %d", n, maxArrayLen)
			return kv
		}
		kv.Len = int(n)
	}
	start := c.off
	switch {
	case c.err != nil:
	case kv.Elem == Array:
		c.fail("arrays of arrays are not part of the format")
	case !kv.Elem.known():
		c.fail("unknown element type %d", uint32(kv.Elem))
	case kv.Elem == String:
		for i := 0; i < kv.Len && c.err == nil; i++ {
			c.str("array of strings")
		}
	default:
		c.take(uint64(kv.Len)*uint64(kv.Elem.size()), "value")
	}
	if c.err == nil {
		kv.raw = string(c.data[start:c.off])
	}
	return kv
}

// Value returns the value as the Go type of the same name and width: uint8 …
// float64, bool, string, or a slice of those. Writer.KV takes the same types.
func (kv KV) Value() any {
	switch kv.Elem {
	case Uint8:
		return exact(kv, toInteger[uint8])
	case Int8:
		return exact(kv, toInteger[int8])
	case Uint16:
		return exact(kv, toInteger[uint16])
	case Int16:
		return exact(kv, toInteger[int16])
	case Uint32:
		return exact(kv, toInteger[uint32])
	case Int32:
		return exact(kv, toInteger[int32])
	case Uint64:
		return exact(kv, toInteger[uint64])
	case Int64:
		return exact(kv, toInteger[int64])
	case Float32:
		return exact(kv, toFloat[float32])
	case Float64:
		return exact(kv, toFloat[float64])
	case Bool:
		return exact(kv, toBool)
	}
	return exact(kv, toString)
}

// exact decodes into the type that the value has, which cannot fail.
func exact[T any](kv KV, conv converter[T]) any {
	if kv.Type == Array {
		v, _ := decodeArray(kv, conv)
		return v
	}
	v, _ := conv(kv.Type, kv.raw)
	return v
}

// converter decodes one value of type t from its bytes.
type converter[T any] func(t ValueType, raw string) (T, error)

// decodeArray decodes the elements of an array.
func decodeArray[T any](kv KV, conv converter[T]) ([]T, error) {
	out := make([]T, kv.Len)
	raw := kv.raw
	for i := range out {
		n := kv.Elem.size()
		if kv.Elem == String {
			n, raw = int(little(raw[:8])), raw[8:]
		}
		v, err := conv(kv.Elem, raw[:n])
		if err != nil {
			return nil, fmt.Errorf("element %d: %w", i, err)
		}
		out[i], raw = v, raw[n:]
	}
	return out, nil
}

// little decodes up to 8 little-endian bytes.
func little(raw string) uint64 {
	var v uint64
	for i := len(raw) - 1; i >= 0; i-- {
		v = v<<8 | uint64(raw[i])
	}
	return v
}

func mismatch(t ValueType, want string) error {
	return fmt.Errorf("type %v, want %s", t, want)
}

func toString(t ValueType, raw string) (string, error) {
	if t != String {
		return "", mismatch(t, "string")
	}
	return raw, nil
}

func toBool(t ValueType, raw string) (bool, error) {
	if t != Bool {
		return false, mismatch(t, "bool")
	}
	return raw != "\x00", nil
}

func toFloat[T float32 | float64](t ValueType, raw string) (T, error) {
	switch t {
	case Float32:
		return T(math.Float32frombits(uint32(little(raw)))), nil
	case Float64:
		return T(math.Float64frombits(little(raw))), nil
	}
	return 0, mismatch(t, "a float")
}

// toInteger accepts every integer type, because files disagree about widths,
// as long as the value fits.
func toInteger[T int | int8 | int16 | int32 | int64 | uint8 | uint16 | uint32 | uint64](t ValueType, raw string) (T, error) {
	if !t.integer() {
		return 0, mismatch(t, "an integer")
	}
	u := little(raw)
	if valueTypes[t].signed {
		unused := 64 - 8*t.size()
		i := int64(u<<unused) >> unused
		if v := T(i); int64(v) == i && (v < 0) == (i < 0) {
			return v, nil
		}
		var want T
		return 0, fmt.Errorf("value %d does not fit in %T", i, want)
	}
	if v := T(u); uint64(v) == u && v >= 0 {
		return v, nil
	}
	var want T
	return 0, fmt.Errorf("value %d does not fit in %T", u, want)
}
