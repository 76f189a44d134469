package gguf

import (
	"fmt"
	"os"
	"slices"
)

// File is an open GGUF file. Its methods may be called concurrently, except
// Close.
type File struct {
	path      string // "" for Parse
	data      []byte // the whole file; nil after Close
	unmap     func() error
	version   uint32
	alignment int64
	kvs       []KV
	keys      map[string]int // index in kvs
	tensors   []*Tensor
	names     map[string]*Tensor
}

// Open maps and checks the file at path. The file must not shrink while it is
// open: the operating system ends a program that reads a page no longer there.
// A version, byte order or split model that is not supported gives an error
// that wraps errors.ErrUnsupported.
func Open(path string) (*File, error) {
	data, unmap, err := mapFile(path)
	if err != nil {
		return nil, fmt.Errorf("gguf: %w", err) // an *fs.PathError names the file
	}
	f, err := parseHeader(data, int64(len(data)))
	if err != nil {
		unmap()
		return nil, fmt.Errorf("gguf: %s: %w", path, err)
	}
	f.path, f.data, f.unmap = path, data, unmap
	return f, nil
}

// Parse reads a file that is in memory already. Tensors alias data; metadata
// does not.
func Parse(data []byte) (*File, error) {
	f, err := parseHeader(data, int64(len(data)))
	if err != nil {
		return nil, fmt.Errorf("gguf: %w", err)
	}
	f.data = data
	return f, nil
}

// Close releases the mapping; slices that Data returned must not be used any
// more. Metadata stays readable. Closing again does nothing.
func (f *File) Close() error {
	unmap := f.unmap
	f.data, f.unmap = nil, nil
	if unmap == nil {
		return nil
	}
	if err := unmap(); err != nil {
		return f.wrap(fmt.Errorf("unmap: %w", err))
	}
	return nil
}

// Version returns the version of the format: 2 or 3.
func (f *File) Version() int { return int(f.version) }

// Alignment returns the bytes that the start of each tensor is a multiple of,
// counted from the start of the file.
func (f *File) Alignment() int64 { return f.alignment }

// Size returns the bytes of the file, 0 after Close.
func (f *File) Size() int64 { return int64(len(f.data)) }

// KVs returns the metadata in the order of the file.
func (f *File) KVs() []KV { return slices.Clone(f.kvs) }

// KV returns the metadata entry with this key.
func (f *File) KV(key string) (KV, bool) {
	if i, ok := f.keys[key]; ok {
		return f.kvs[i], true
	}
	return KV{}, false
}

// Tensors returns the tensors in the order of the file.
func (f *File) Tensors() []*Tensor { return slices.Clone(f.tensors) }

// Tensor returns the tensor with this name.
func (f *File) Tensor(name string) (*Tensor, bool) {
	t, ok := f.names[name]
	return t, ok
}

func (f *File) wrap(err error) error {
	if f.path == "" {
		return fmt.Errorf("gguf: %w", err)
	}
	return fmt.Errorf("gguf: %s: %w", f.path, err)
}

// openRegular opens path and returns its size in bytes.
func openRegular(path string) (*os.File, int64, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s: not a regular file", path)
	}
	if err == nil && int64(int(info.Size())) != info.Size() {
		err = fmt.Errorf("%s: %d bytes do not fit in the address space", path, info.Size())
	}
	if err != nil {
		file.Close()
		return nil, 0, err
	}
	return file, info.Size(), nil
}
