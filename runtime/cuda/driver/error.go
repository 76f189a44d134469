package driver

import (
	"fmt"
	"unsafe"
)

// Error is a result of the driver other than success; errors.Is finds it in the
// errors of all methods.
type Error int32

// Results that a caller may want to tell apart.
const (
	OutOfMemory Error = 2
	NoDevice    Error = 100
)

func (e Error) Error() string { return fmt.Sprintf("CUDA error %d", int32(e)) }

// failure is an Error with the words of the driver that gave it.
type failure struct {
	text string
	code Error
}

func (f *failure) Error() string { return f.text }
func (f *failure) Unwrap() error { return f.code }

// fail turns the result of a function into an error; nil for success.
func (a *API) fail(p proc, code Error) error {
	if code == 0 {
		return nil
	}
	text := p.name + ": "
	name, words := a.words(a.getErrorName, code), a.words(a.getErrorString, code)
	if name == "" {
		name = code.Error()
	}
	text += name
	if words != "" {
		text += ": " + words
	}
	return &failure{text, code}
}

// words asks the driver about an error; it says nothing about those it does not know.
func (a *API) words(p proc, code Error) string {
	s := new(unsafe.Pointer)
	if p.result(uintptr(code), uintptr(unsafe.Pointer(s))) != 0 || *s == nil {
		return ""
	}
	n := 0
	for *(*byte)(unsafe.Add(*s, n)) != 0 {
		n++
	}
	return string(unsafe.Slice((*byte)(*s), n))
}
