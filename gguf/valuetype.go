package gguf

import "fmt"

// ValueType is the type of a metadata value.
type ValueType uint32

// The ids are those of the format.
const (
	Uint8 ValueType = iota
	Int8
	Uint16
	Int16
	Uint32
	Int32
	Float32
	Bool
	String
	Array
	Uint64
	Int64
	Float64
)

var valueTypes = [...]struct {
	name   string
	size   int // bytes of one value; 0: not fixed
	signed bool
}{
	Uint8:   {"u8", 1, false},
	Int8:    {"i8", 1, true},
	Uint16:  {"u16", 2, false},
	Int16:   {"i16", 2, true},
	Uint32:  {"u32", 4, false},
	Int32:   {"i32", 4, true},
	Float32: {"f32", 4, true},
	Bool:    {"bool", 1, false},
	String:  {"string", 0, false},
	Array:   {"array", 0, false},
	Uint64:  {"u64", 8, false},
	Int64:   {"i64", 8, true},
	Float64: {"f64", 8, true},
}

func (t ValueType) known() bool { return t <= Float64 }

// integer says whether values of the type are whole numbers; a bool is not.
func (t ValueType) integer() bool {
	switch t {
	case Uint8, Int8, Uint16, Int16, Uint32, Int32, Uint64, Int64:
		return true
	}
	return false
}

func (t ValueType) size() int { return valueTypes[t].size }

func (t ValueType) String() string {
	if t.known() {
		return valueTypes[t].name
	}
	return fmt.Sprintf("type(%d)", uint32(t))
}
