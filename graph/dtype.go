package graph

import "fmt"

// DType is the type of a tensor's elements. The block formats are storage
// types: only matrix products, row lookups and dequantisation accept them.
type DType uint8

// The names are those of the GGUF format.
const (
	Invalid DType = iota
	F32
	F16
	BF16
	I32
	Q4_0
	Q4_1
	Q5_0
	Q5_1
	Q8_0
	Q2_K
	Q3_K
	Q4_K
	Q5_K
	Q6_K
	IQ4_NL
	IQ4_XS
	MXFP4
)

var dtypes = [...]struct {
	name         string
	block, bytes int // elements a block, bytes a block
}{
	Invalid: {"invalid", 1, 0},
	F32:     {"f32", 1, 4},
	F16:     {"f16", 1, 2},
	BF16:    {"bf16", 1, 2},
	I32:     {"i32", 1, 4},
	Q4_0:    {"q4_0", 32, 18},
	Q4_1:    {"q4_1", 32, 20},
	Q5_0:    {"q5_0", 32, 22},
	Q5_1:    {"q5_1", 32, 24},
	Q8_0:    {"q8_0", 32, 34},
	Q2_K:    {"q2_k", 256, 84},
	Q3_K:    {"q3_k", 256, 110},
	Q4_K:    {"q4_k", 256, 144},
	Q5_K:    {"q5_k", 256, 176},
	Q6_K:    {"q6_k", 256, 210},
	IQ4_NL:  {"iq4_nl", 32, 18},
	IQ4_XS:  {"iq4_xs", 256, 136},
	MXFP4:   {"mxfp4", 32, 17},
}

func (d DType) String() string {
	if int(d) < len(dtypes) {
		return dtypes[d].name
	}
	return fmt.Sprintf("dtype(%d)", uint8(d))
}

// Block returns the elements and the bytes of one block; a plain type is a
// block of one element.
func (d DType) Block() (elements, bytes int) {
	if int(d) >= len(dtypes) {
		return 1, 0
	}
	return dtypes[d].block, dtypes[d].bytes
}

// Bytes returns the size of n elements, a whole number of blocks.
func (d DType) Bytes(n int) int64 {
	e, b := d.Block()
	return int64(n) / int64(e) * int64(b)
}

// ParseDType is the inverse of String.
func ParseDType(s string) (DType, error) {
	for d, t := range dtypes {
		if t.name == s && DType(d) != Invalid {
			return DType(d), nil
		}
	}
	return Invalid, fmt.Errorf("unknown dtype %q", s)
}

func (d DType) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

func (d *DType) UnmarshalText(text []byte) (err error) {
	*d, err = ParseDType(string(text))
	return err
}
