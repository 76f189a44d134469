package main

import (
	"fmt"
	"os"
	"strings"
)

// peakResident returns the most bytes of memory that this process has had, mapped
// files included; 0 stands for unknown.
func peakResident() int64 {
	data, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	var kB int64
	if _, rest, ok := strings.Cut(string(data), "\nVmHWM:"); ok {
		fmt.Sscan(rest, &kB)
	}
	return kB << 10
}
