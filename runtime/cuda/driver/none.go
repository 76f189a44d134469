//go:build nogpu || android || !(linux || windows) || !(amd64 || arm64)

package driver

import (
	"fmt"
	"runtime"
)

func supported() error {
	return fmt.Errorf("this program is built without CUDA (%s/%s)", runtime.GOOS, runtime.GOARCH)
}

func load() (func(name string) (uintptr, error), error) { return nil, supported() }

func syscallN(fn uintptr, args []uintptr) uintptr { panic("cuda: no driver was bound") }
