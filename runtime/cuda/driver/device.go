package driver

import (
	"bytes"
	"unsafe"
)

// Attribute is a property of a device.
type Attribute int32

const (
	ComputeMajor        Attribute = 75
	SharedPerBlockOptin Attribute = 97 // bytes of shared memory with FuncSetMaxShared
)

// Init initialises the driver; every other method wants it first. Where no
// card is found the error is NoDevice.
func (a *API) Init() error { return a.call(a.init, 0) }

func (a *API) DeviceCount() (int, error) {
	var n int32
	err := a.call(a.deviceGetCount, uintptr(unsafe.Pointer(&n)))
	return int(n), err
}

// DeviceGet returns device i < DeviceCount.
func (a *API) DeviceGet(i int) (Device, error) {
	var d Device
	err := a.call(a.deviceGet, uintptr(unsafe.Pointer(&d)), uintptr(i))
	return d, err
}

func (a *API) DeviceName(d Device) (string, error) {
	var name [256]byte
	err := a.call(a.deviceGetName, uintptr(unsafe.Pointer(&name)), uintptr(len(name)), uintptr(d))
	s, _, _ := bytes.Cut(name[:], []byte{0})
	return string(s), err
}

func (a *API) DeviceAttribute(d Device, what Attribute) (int, error) {
	var v int32
	err := a.call(a.deviceGetAttribute, uintptr(unsafe.Pointer(&v)), uintptr(what), uintptr(d))
	return int(v), err
}

// PrimaryCtxRetain returns the context that all users of the device in this
// process share, and creates it for the first of them.
func (a *API) PrimaryCtxRetain(d Device) (Context, error) {
	var c Context
	err := a.call(a.primaryCtxRetain, uintptr(unsafe.Pointer(&c)), uintptr(d))
	return c, err
}

// PrimaryCtxRelease gives the context of one PrimaryCtxRetain back; with the
// last one goes all that was made in it.
func (a *API) PrimaryCtxRelease(d Device) error { return a.call(a.primaryCtxRelease, uintptr(d)) }

// CtxSetCurrent makes c the context of the calling thread, 0 none. The goroutine
// must be locked to its thread for as long as it relies on that.
func (a *API) CtxSetCurrent(c Context) error { return a.call(a.ctxSetCurrent, uintptr(c)) }
