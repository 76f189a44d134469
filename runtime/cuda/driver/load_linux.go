//go:build !nogpu && !android && (amd64 || arm64)

package driver

import "github.com/ebitengine/purego"

func load() (func(name string) (uintptr, error), error) {
	lib, err := purego.Dlopen("libcuda.so.1", purego.RTLD_NOW|purego.RTLD_LOCAL)
	if err != nil {
		return nil, err
	}
	return func(name string) (uintptr, error) { return purego.Dlsym(lib, name) }, nil
}
