//go:build !nogpu && (amd64 || arm64)

package cudasim

import "golang.org/x/sys/windows"

// thread names the thread of the operating system that makes the call.
func thread() int { return int(windows.GetCurrentThreadId()) }
