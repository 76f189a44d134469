package driver

import (
	"bytes"
	"fmt"
	"unsafe"
)

// jit is what the compiler of the driver reads and writes. It holds a pointer to
// itself, so it has to be on the heap: ModuleLoadData passes it to call.
type jit struct {
	options [2]int32
	values  [2]uintptr
	log     [8192]byte
}

// ModuleLoadData compiles the text of a PTX module. The error holds what the
// compiler had to say.
func (a *API) ModuleLoadData(ptx string) (Module, error) {
	const errorLog, errorLogBytes = 5, 6
	image := append([]byte(ptx), 0)
	j := new(jit)
	j.options = [2]int32{errorLog, errorLogBytes}
	j.values = [2]uintptr{uintptr(unsafe.Pointer(&j.log)), uintptr(len(j.log))}
	var m Module
	err := a.call(a.moduleLoadData, uintptr(unsafe.Pointer(&m)), uintptr(unsafe.Pointer(&image[0])),
		uintptr(len(j.options)), uintptr(unsafe.Pointer(&j.options)), uintptr(unsafe.Pointer(&j.values)))
	if err != nil {
		if log, _, _ := bytes.Cut(j.log[:], []byte{0}); len(log) > 0 {
			err = fmt.Errorf("%w\n%s", err, bytes.TrimSpace(log))
		}
	}
	return m, err
}

func (a *API) ModuleUnload(m Module) error { return a.call(a.moduleUnload, uintptr(m)) }

// ModuleGetFunction returns a kernel of the module.
func (a *API) ModuleGetFunction(m Module, name string) (Function, error) {
	z := append([]byte(name), 0)
	var f Function
	err := a.call(a.moduleGetFunction, uintptr(unsafe.Pointer(&f)), uintptr(m), uintptr(unsafe.Pointer(&z[0])))
	if err != nil {
		err = fmt.Errorf("kernel %s: %w", name, err)
	}
	return f, err
}

// FuncSetMaxShared lets launches of a kernel ask for so many bytes of dynamic
// shared memory; more than 48 KiB need it.
func (a *API) FuncSetMaxShared(f Function, bytes int) error {
	const maxDynamicShared = 8
	return a.call(a.funcSetAttribute, uintptr(f), maxDynamicShared, uintptr(bytes))
}
