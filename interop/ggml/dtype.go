package ggml

import (
	"errors"
	"fmt"
	"strings"

	"github.com/deltaloom/deltaloom/graph"
)

// dtype is an element type of the text.
type dtype struct {
	name         string
	block, bytes int         // elements a block, bytes a block
	ours         graph.DType // Invalid where a graph has no such type
}

// parseType reads a type by its name in the text, which for block types differs
// from ours in case. i64 holds nothing but row numbers: those are i32 here.
func parseType(name string) (dtype, error) {
	switch name {
	case "i64":
		return dtype{name, 1, 8, graph.I32}, nil
	case "f64":
		return dtype{name, 1, 8, graph.Invalid}, nil
	case "i16":
		return dtype{name, 1, 2, graph.Invalid}, nil
	case "i8":
		return dtype{name, 1, 1, graph.Invalid}, nil
	}
	ours, err := graph.ParseDType(strings.ToLower(name))
	if err != nil {
		return dtype{}, fmt.Errorf("type %q: %w", name, errors.ErrUnsupported)
	}
	d := dtype{name: name, ours: ours}
	d.block, d.bytes = ours.Block()
	return d, nil
}
