package gguf

import (
	"fmt"
	"syscall"
	"unsafe"
)

// mapFile maps the file read-only. The view keeps the mapping object and the
// file alive, so both handles are closed at once.
func mapFile(path string) (data []byte, unmap func() error, err error) {
	file, size, err := openRegular(path)
	if err != nil {
		return nil, nil, err
	}
	defer file.Close()
	if size == 0 { // CreateFileMapping refuses it
		return nil, func() error { return nil }, nil
	}
	mapping, err := syscall.CreateFileMapping(syscall.Handle(file.Fd()), nil, syscall.PAGE_READONLY, uint32(uint64(size)>>32), uint32(size), nil)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: CreateFileMapping: %w", path, err)
	}
	defer syscall.CloseHandle(mapping)
	addr, err := syscall.MapViewOfFile(mapping, syscall.FILE_MAP_READ, 0, 0, uintptr(size))
	if err != nil {
		return nil, nil, fmt.Errorf("%s: MapViewOfFile: %w", path, err)
	}
	// The address is no Go pointer: reinterpreting it says so to vet.
	data = unsafe.Slice(*(**byte)(unsafe.Pointer(&addr)), int(size))
	return data, func() error { return syscall.UnmapViewOfFile(addr) }, nil
}
