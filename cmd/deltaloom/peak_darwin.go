package main

import "golang.org/x/sys/unix"

// peakResident returns the most bytes of memory that this process has had, mapped
// files included; 0 stands for unknown.
func peakResident() int64 {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return u.Maxrss
}
