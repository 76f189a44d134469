//go:build !nogpu && (amd64 || arm64)

package driver

import (
	"fmt"

	"golang.org/x/sys/windows"
)

func load() (func(name string) (uintptr, error), error) {
	const file = "nvcuda.dll"
	lib, err := windows.LoadLibraryEx(file, 0, windows.LOAD_LIBRARY_SEARCH_SYSTEM32)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return func(name string) (uintptr, error) { return windows.GetProcAddress(lib, name) }, nil
}
