// Package driver calls the CUDA driver, the library that comes with the
// graphics driver, by the names of its own functions: no toolkit, no cgo, no
// reflection.
//
// The driver keeps a current context for each thread of the operating system:
// lock the goroutine to its thread (runtime.LockOSThread) and call CtxSetCurrent
// before anything else that needs a context. An API may be used by many
// goroutines at once. On platforms without CUDA, and in programs built with the
// tag nogpu, Open and Bind return an error that wraps errors.ErrUnsupported.
package driver

import (
	"errors"
	"fmt"
)

// Handles of the driver's objects; 0 is none, and the Stream 0 is the default one.
type (
	Device    int32
	Context   uintptr
	Stream    uintptr
	Event     uintptr
	Module    uintptr
	Function  uintptr
	Graph     uintptr
	GraphExec uintptr
)

// Ptr is an address in the memory of the device.
type Ptr uint64

// proc is one function of the driver.
type proc struct {
	name string
	addr uintptr
}

// API holds the functions of one driver.
type API struct {
	getErrorName, getErrorString proc

	init                                                         proc
	deviceGetCount, deviceGet, deviceGetName, deviceGetAttribute proc
	primaryCtxRetain, primaryCtxRelease                          proc
	ctxSetCurrent                                                proc
	memGetInfo, memAlloc, memFree, memHostAlloc, memFreeHost     proc
	memcpyHtoD, memcpyDtoH, memcpyDtoD, memsetD8                 proc
	streamCreate, streamDestroy, streamSynchronize               proc
	streamWaitEvent, streamBeginCapture, streamEndCapture        proc
	eventCreate, eventDestroy, eventRecord, eventSynchronize     proc
	moduleLoadData, moduleUnload, moduleGetFunction              proc
	funcSetAttribute, launchKernel                               proc
	graphInstantiate, graphUpload, graphLaunch                   proc
	graphGetNodes, graphDestroy, graphExecDestroy                proc
}

// Open loads the driver of this machine. Where there is none the error wraps
// errors.ErrUnsupported; that a driver is there does not mean that a card is,
// which Init tells.
func Open() (*API, error) {
	lookup, err := load()
	if err != nil {
		return nil, &noDriver{err}
	}
	return Bind(lookup)
}

// noDriver is the error of a machine or a build that cannot have a driver.
type noDriver struct{ cause error }

func (e *noDriver) Error() string   { return fmt.Sprintf("no NVIDIA driver: %v", e.cause) }
func (e *noDriver) Unwrap() []error { return []error{e.cause, errors.ErrUnsupported} }

// Bind takes the addresses of the driver's functions from lookup, all of them at
// once: for an older driver that lacks one the error wraps errors.ErrUnsupported.
func Bind(lookup func(name string) (uintptr, error)) (*API, error) {
	if err := supported(); err != nil {
		return nil, &noDriver{err}
	}
	a := new(API)
	for _, f := range []struct {
		p    *proc
		name string
	}{
		{&a.getErrorName, "cuGetErrorName"},
		{&a.getErrorString, "cuGetErrorString"},
		{&a.init, "cuInit"},
		{&a.deviceGetCount, "cuDeviceGetCount"},
		{&a.deviceGet, "cuDeviceGet"},
		{&a.deviceGetName, "cuDeviceGetName"},
		{&a.deviceGetAttribute, "cuDeviceGetAttribute"},
		{&a.primaryCtxRetain, "cuDevicePrimaryCtxRetain"},
		{&a.primaryCtxRelease, "cuDevicePrimaryCtxRelease_v2"},
		{&a.ctxSetCurrent, "cuCtxSetCurrent"},
		{&a.memGetInfo, "cuMemGetInfo_v2"},
		{&a.memAlloc, "cuMemAlloc_v2"},
		{&a.memFree, "cuMemFree_v2"},
		{&a.memHostAlloc, "cuMemHostAlloc"},
		{&a.memFreeHost, "cuMemFreeHost"},
		{&a.memcpyHtoD, "cuMemcpyHtoDAsync_v2"},
		{&a.memcpyDtoH, "cuMemcpyDtoHAsync_v2"},
		{&a.memcpyDtoD, "cuMemcpyDtoDAsync_v2"},
		{&a.memsetD8, "cuMemsetD8Async"},
		{&a.streamCreate, "cuStreamCreate"},
		{&a.streamDestroy, "cuStreamDestroy_v2"},
		{&a.streamSynchronize, "cuStreamSynchronize"},
		{&a.streamWaitEvent, "cuStreamWaitEvent"},
		{&a.streamBeginCapture, "cuStreamBeginCapture_v2"},
		{&a.streamEndCapture, "cuStreamEndCapture"},
		{&a.eventCreate, "cuEventCreate"},
		{&a.eventDestroy, "cuEventDestroy_v2"},
		{&a.eventRecord, "cuEventRecord"},
		{&a.eventSynchronize, "cuEventSynchronize"},
		{&a.moduleLoadData, "cuModuleLoadDataEx"},
		{&a.moduleUnload, "cuModuleUnload"},
		{&a.moduleGetFunction, "cuModuleGetFunction"},
		{&a.funcSetAttribute, "cuFuncSetAttribute"},
		{&a.launchKernel, "cuLaunchKernel"},
		{&a.graphInstantiate, "cuGraphInstantiateWithFlags"},
		{&a.graphUpload, "cuGraphUpload"},
		{&a.graphLaunch, "cuGraphLaunch"},
		{&a.graphGetNodes, "cuGraphGetNodes"},
		{&a.graphDestroy, "cuGraphDestroy"},
		{&a.graphExecDestroy, "cuGraphExecDestroy"},
	} {
		addr, err := lookup(f.name)
		if err != nil {
			return nil, fmt.Errorf("the driver lacks %s: %w (%w)", f.name, err, errors.ErrUnsupported)
		}
		*f.p = proc{f.name, addr}
	}
	return a, nil
}
