package gguf

import (
	"errors"
	"fmt"
)

// The least bytes that an entry can take.
const (
	leastKV     = 8 + 1 + 4 + 1     // key length, key, type, value
	leastTensor = 8 + 0 + 4 + 4 + 8 // name length, name, rank, type, offset
)

// parseHeader reads everything that precedes the tensor data and checks that a
// file of fileSize bytes holds that data. data needs to hold the header only.
func parseHeader(data []byte, fileSize int64) (*File, error) {
	c := &cursor{data: data}
	f := &File{alignment: writeAlign, keys: map[string]int{}, names: map[string]*Tensor{}}
	if m := c.take(4, "magic"); c.err == nil && string(m) != magic {
		return nil, fmt.Errorf("not a GGUF file: it begins with %q", m)
	}
	f.version = c.u32("version")
	if c.err != nil {
		return nil, c.err
	}
	if err := checkVersion(f.version); err != nil {
		return nil, err
	}
	nTensors := c.count("tensor count", leastTensor)
	nKVs := c.count("key count", leastKV)
	if c.err != nil {
		return nil, c.err
	}
	if err := f.parseKVs(c, nKVs); err != nil {
		return nil, err
	}
	if err := f.readSettings(); err != nil {
		return nil, err
	}
	offsets, err := f.parseTensors(c, nTensors, fileSize)
	if err != nil {
		return nil, err
	}
	start := pad(int64(c.off), f.alignment)
	if err := place(f.tensors, offsets, start, f.alignment, fileSize); err != nil {
		return nil, err
	}
	return f, nil
}

func checkVersion(v uint32) error {
	switch {
	case v == 2 || v == 3:
		return nil
	case v != 0 && v&0xffff == 0:
		return fmt.Errorf("big-endian file (version reads as %#08x): %w", v, errors.ErrUnsupported)
	}
	return fmt.Errorf("version %d, want 2 or 3: %w", v, errors.ErrUnsupported)
}

func (f *File) parseKVs(c *cursor, n uint64) error {
	for i := range n {
		key := string(c.str("key"))
		if c.err == nil && key == "" {
			c.fail("empty key")
		}
		if _, dup := f.keys[key]; dup {
			c.fail("duplicate key")
		}
		kv := parseValue(c, key)
		if c.err != nil {
			return fmt.Errorf("key %d %q: %w", i, key, c.err)
		}
		f.keys[key] = len(f.kvs)
		f.kvs = append(f.kvs, kv)
	}
	return nil
}

// readSettings checks the keys that say how to read the rest.
func (f *File) readSettings() error {
	if kv, ok := f.KV(alignmentKey); ok {
		if kv.Type != Uint32 {
			return fmt.Errorf("key %q: type %v, want u32", alignmentKey, kv.Type)
		}
		f.alignment = int64(little(kv.raw))
		if a := f.alignment; a == 0 || a&(a-1) != 0 {
			return fmt.Errorf("key %q: %d is not a power of two", alignmentKey, a)
		}
	}
	if kv, ok := f.KV(splitCountKey); ok {
		n, err := toInteger[uint64](kv.Type, kv.raw)
		if err != nil {
			return fmt.Errorf("key %q: %w", splitCountKey, err)
		}
		if n > 1 {
			return fmt.Errorf("model split into %d files (merge them first): %w", n, errors.ErrUnsupported)
		}
	}
	return nil
}

// parseTensors returns the offsets as the file states them, one a tensor.
func (f *File) parseTensors(c *cursor, n uint64, fileSize int64) ([]uint64, error) {
	var offsets []uint64
	for i := range n {
		name := string(c.str("name"))
		if len(name) > maxNameLen {
			c.fail("name of %d bytes, more than %d", len(name), maxNameLen)
		}
		if _, dup := f.names[name]; dup {
			c.fail("duplicate name")
		}
		t := parseTensor(c, name, fileSize)
		t.file = f
		offsets = append(offsets, c.u64("offset"))
		if c.err != nil {
			return nil, tensorError(int(i), name, c.err)
		}
		f.names[name] = t
		f.tensors = append(f.tensors, t)
	}
	return offsets, nil
}
