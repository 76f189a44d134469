// Package gguf reads and writes GGUF model files: typed metadata and named
// tensors. A file is memory-mapped; tensor data is used where it lies and never
// copied, metadata is checked once and decoded when asked for.
//
// Files list extents innermost first; this package is the only one that knows.
// Everything it returns or takes is outermost first.
//
// Every count, length, offset and type of a file is checked before it is used.
// No input makes the reader panic, or allocate more than a small multiple of
// what the file really holds.
package gguf

import "errors"

// Facts of the format.
const (
	magic         = "GGUF"
	writeVersion  = 3
	writeAlign    = 32 // also the alignment of files that do not state one
	alignmentKey  = "general.alignment"
	splitCountKey = "split.count"
	maxDims       = 4
	maxNameLen    = 63      // bytes of a tensor's name
	maxStringLen  = 1 << 30 // bytes
	maxArrayLen   = 1 << 30 // elements
)

// ErrNoKey is what Get and GetArray wrap when a file does not have the key.
var ErrNoKey = errors.New("no such key")
