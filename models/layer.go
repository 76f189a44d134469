package models

import (
	"strconv"
	"strings"
)

// LayerOf returns the layer that a node belongs to by its scope, a weight by its
// name, or a state by its name; false for what belongs to none, such as the head.
func LayerOf(name string) (int, bool) {
	if _, after, ok := strings.Cut(name, "blk."); ok {
		digits, _, _ := strings.Cut(after, ".")
		n, err := strconv.Atoi(digits)
		return n, err == nil
	}
	if i := strings.LastIndex(name, "_l"); i >= 0 {
		n, err := strconv.Atoi(name[i+2:])
		return n, err == nil
	}
	return 0, false
}
