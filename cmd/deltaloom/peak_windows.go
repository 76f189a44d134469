package main

import (
	"unsafe"

	"golang.org/x/sys/windows"
)

// peakResident returns the most bytes of memory that this process has had, mapped
// files included; 0 stands for unknown.
func peakResident() int64 {
	var m struct { // PROCESS_MEMORY_COUNTERS
		size, pageFaults uint32
		peakWorkingSet   uintptr
		_                [7]uintptr
	}
	m.size = uint32(unsafe.Sizeof(m))
	get := windows.NewLazySystemDLL("kernel32.dll").NewProc("K32GetProcessMemoryInfo")
	if get.Find() != nil {
		return 0
	}
	if ok, _, _ := get.Call(uintptr(windows.CurrentProcess()), uintptr(unsafe.Pointer(&m)), uintptr(m.size)); ok == 0 {
		return 0
	}
	return int64(m.peakWorkingSet)
}
