//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd || windows)

package gguf

import "io"

// mapFile reads the file: here there is no mapping in package syscall.
func mapFile(path string) (data []byte, unmap func() error, err error) {
	file, size, err := openRegular(path)
	if err != nil {
		return nil, nil, err
	}
	defer file.Close()
	data = make([]byte, size)
	if _, err := io.ReadFull(file, data); err != nil {
		return nil, nil, err
	}
	return data, func() error { return nil }, nil
}
