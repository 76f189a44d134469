//go:build !linux

package delta_test

import "time"

var start = time.Now()

// threadTime is the time on the clock, where a thread's own is not to be had.
func threadTime() time.Duration { return time.Since(start) }
