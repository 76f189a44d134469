package gguf

import (
	"fmt"

	"github.com/deltaloom/deltaloom/graph"
)

// TensorType is the id that a file gives for the element type of a tensor. All
// ids of the format are known here, so that a file can be listed, but only
// those with a graph.DType can be computed with.
type TensorType uint32

// tensorTypes holds the ids in use; the others are retired or not yet given
// out. A type of graph needs nothing more than its DType.
var tensorTypes = map[TensorType]struct {
	dtype        graph.DType
	name         string
	block, bytes int // elements a block, bytes a block
}{
	0:  {dtype: graph.F32},
	1:  {dtype: graph.F16},
	2:  {dtype: graph.Q4_0},
	3:  {dtype: graph.Q4_1},
	6:  {dtype: graph.Q5_0},
	7:  {dtype: graph.Q5_1},
	8:  {dtype: graph.Q8_0},
	9:  {name: "q8_1", block: 32, bytes: 36},
	10: {dtype: graph.Q2_K},
	11: {dtype: graph.Q3_K},
	12: {dtype: graph.Q4_K},
	13: {dtype: graph.Q5_K},
	14: {dtype: graph.Q6_K},
	15: {name: "q8_k", block: 256, bytes: 292},
	16: {name: "iq2_xxs", block: 256, bytes: 66},
	17: {name: "iq2_xs", block: 256, bytes: 74},
	18: {name: "iq3_xxs", block: 256, bytes: 98},
	19: {name: "iq1_s", block: 256, bytes: 50},
	20: {dtype: graph.IQ4_NL},
	21: {name: "iq3_s", block: 256, bytes: 110},
	22: {name: "iq2_s", block: 256, bytes: 82},
	23: {dtype: graph.IQ4_XS},
	24: {name: "i8", block: 1, bytes: 1},
	25: {name: "i16", block: 1, bytes: 2},
	26: {dtype: graph.I32},
	27: {name: "i64", block: 1, bytes: 8},
	28: {name: "f64", block: 1, bytes: 8},
	29: {name: "iq1_m", block: 256, bytes: 56},
	30: {dtype: graph.BF16},
	34: {name: "tq1_0", block: 256, bytes: 54},
	35: {name: "tq2_0", block: 256, bytes: 66},
	39: {dtype: graph.MXFP4},
	40: {name: "nvfp4", block: 64, bytes: 36},
	41: {name: "q1_0", block: 128, bytes: 18},
	42: {name: "q2_0", block: 64, bytes: 18},
}

// tensorTypeOf is the inverse of DType.
var tensorTypeOf = func() map[graph.DType]TensorType {
	m := map[graph.DType]TensorType{}
	for id, t := range tensorTypes {
		if t.dtype != graph.Invalid {
			m[t.dtype] = id
		}
	}
	return m
}()

// ParseTensorType is the inverse of String for the ids of the format.
func ParseTensorType(name string) (TensorType, error) {
	for id := range tensorTypes {
		if id.String() == name {
			return id, nil
		}
	}
	return 0, fmt.Errorf("unknown tensor type %q", name)
}

// Known says whether the id is one of the format.
func (t TensorType) Known() bool { _, ok := tensorTypes[t]; return ok }

// DType returns the type in a graph, or graph.Invalid where there is none.
func (t TensorType) DType() graph.DType { return tensorTypes[t].dtype }

// Block returns the elements and the bytes of one block, 0 and 0 for an unknown id.
func (t TensorType) Block() (elements, bytes int) {
	if dt := t.DType(); dt != graph.Invalid {
		return dt.Block()
	}
	return tensorTypes[t].block, tensorTypes[t].bytes
}

// String returns the lower-case name of the format.
func (t TensorType) String() string {
	info, ok := tensorTypes[t]
	switch {
	case !ok:
		return fmt.Sprintf("type(%d)", uint32(t))
	case info.dtype != graph.Invalid:
		return info.dtype.String()
	}
	return info.name
}
