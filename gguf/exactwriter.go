package gguf

import (
	"fmt"
	"io"
)

// exactWriter writes sections whose sizes are known beforehand.
type exactWriter struct {
	dst   io.Writer
	total int64 // bytes written so far
	left  int64 // bytes that the section still needs
	err   error // sticks
}

// section lets write produce exactly size bytes.
func (e *exactWriter) section(size int64, write func(io.Writer) error) error {
	e.left = size
	err := write(e)
	if e.err != nil { // first: write may have hidden or wrapped it
		return e.err
	}
	if err == nil && e.left > 0 {
		err = fmt.Errorf("%d of %d bytes were not written", e.left, size)
	}
	return err
}

// bytes writes a section that is in memory.
func (e *exactWriter) bytes(p []byte) error {
	return e.section(int64(len(p)), func(w io.Writer) error {
		_, err := w.Write(p)
		return err
	})
}

// Write is for the function that section calls.
func (e *exactWriter) Write(p []byte) (int, error) {
	if e.err == nil && int64(len(p)) > e.left {
		e.err = fmt.Errorf("%d bytes more than the shape holds", int64(len(p))-e.left)
	}
	if e.err != nil {
		return 0, e.err
	}
	n, err := e.dst.Write(p)
	e.total += int64(n)
	e.left -= int64(n)
	e.err = err
	return n, err
}

// counter counts what has left the buffers.
type counter struct {
	dst io.Writer
	n   int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.dst.Write(p)
	c.n += int64(n)
	return n, err
}
