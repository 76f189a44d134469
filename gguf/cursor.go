package gguf

import (
	"encoding/binary"
	"fmt"
)

// cursor reads little-endian values. Its first error sticks; from then on every
// read returns a zero, so a caller checks err once per entry (and before it
// trusts a count).
type cursor struct {
	data []byte
	off  int
	err  error
}

func (c *cursor) fail(format string, args ...any) {
	if c.err == nil {
		c.err = fmt.Errorf(format, args...)
	}
}

// left returns the bytes not yet read.
func (c *cursor) left() uint64 { return uint64(len(c.data) - c.off) }

// take returns the next n bytes, aliasing the input, or nil.
func (c *cursor) take(n uint64, what string) []byte {
	if c.err == nil && n > c.left() {
		c.fail("%s: %d bytes at offset %d, but the file ends at %d", what, n, c.off, len(c.data))
	}
	if c.err != nil {
		return nil
	}
	b := c.data[c.off : c.off+int(n)]
	c.off += int(n)
	return b
}

func (c *cursor) u32(what string) uint32 {
	if b := c.take(4, what); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (c *cursor) u64(what string) uint64 {
	if b := c.take(8, what); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

// str returns the bytes of a length-prefixed string.
func (c *cursor) str(what string) []byte {
	n := c.u64(what)
	if n > maxStringLen {
		c.fail("%s: length %d is more than %d", what, n, maxStringLen)
	}
	return c.take(n, what)
}

// count reads a number of entries that take at least least bytes each, so that
// a count larger than the file is refused before anything is sized by it.
func (c *cursor) count(what string, least uint64) uint64 {
	n := c.u64(what)
	if c.err == nil && n > c.left()/least {
		c.fail("%s: %d do not fit in the %d bytes that follow", what, int64(n), c.left())
	}
	if c.err != nil {
		return 0
	}
	return n
}
