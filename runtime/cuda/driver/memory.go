package driver

import "unsafe"

// MemGetInfo returns the free and the total bytes of the current device.
func (a *API) MemGetInfo() (free, total int64, err error) {
	var n [2]uint64
	err = a.call(a.memGetInfo, uintptr(unsafe.Pointer(&n[0])), uintptr(unsafe.Pointer(&n[1])))
	return int64(n[0]), int64(n[1]), err
}

// MemAlloc returns memory of the device with undefined contents, aligned to at
// least 256 bytes. Where there is not enough the error is OutOfMemory.
func (a *API) MemAlloc(bytes int64) (Ptr, error) {
	var p Ptr
	err := a.call(a.memAlloc, uintptr(unsafe.Pointer(&p)), uintptr(bytes))
	return p, err
}

// MemFree frees what MemAlloc returned. It waits for the device.
func (a *API) MemFree(p Ptr) error { return a.call(a.memFree, uintptr(p)) }

// HostAlloc returns page-locked memory of the host with undefined contents, from
// and to which copies run on their own. The garbage collector does not know it.
func (a *API) HostAlloc(bytes int) ([]byte, error) {
	var p unsafe.Pointer
	if err := a.call(a.memHostAlloc, uintptr(unsafe.Pointer(&p)), uintptr(bytes), 0); err != nil {
		return nil, err
	}
	return unsafe.Slice((*byte)(p), bytes), nil
}

// HostFree frees what HostAlloc returned.
func (a *API) HostFree(b []byte) error {
	return a.call(a.memFreeHost, uintptr(unsafe.Pointer(unsafe.SliceData(b))))
}

// HtoD copies src to dst in the order of the stream. Page-locked memory must
// stay as it is until the copy has run; other memory is free when HtoD returns.
func (a *API) HtoD(dst Ptr, src []byte, s Stream) error {
	return a.repeat(a.memcpyHtoD, uintptr(dst), uintptr(unsafe.Pointer(unsafe.SliceData(src))), uintptr(len(src)), uintptr(s))
}

// DtoH copies src to dst in the order of the stream. Page-locked memory holds
// the data when the copy has run, other memory when DtoH returns.
func (a *API) DtoH(dst []byte, src Ptr, s Stream) error {
	return a.repeat(a.memcpyDtoH, uintptr(unsafe.Pointer(unsafe.SliceData(dst))), uintptr(src), uintptr(len(dst)), uintptr(s))
}

// DtoD copies within the device in the order of the stream; the ranges may not
// overlap.
func (a *API) DtoD(dst, src Ptr, bytes int64, s Stream) error {
	return a.repeat(a.memcpyDtoD, uintptr(dst), uintptr(src), uintptr(bytes), uintptr(s))
}

// MemsetD8 sets bytes to v in the order of the stream.
func (a *API) MemsetD8(dst Ptr, v byte, bytes int64, s Stream) error {
	return a.repeat(a.memsetD8, uintptr(dst), uintptr(v), uintptr(bytes), uintptr(s))
}
