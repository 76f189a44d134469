//go:build !nogpu && !android && (amd64 || arm64)

package cudasim

import "syscall"

// thread names the thread of the operating system that makes the call.
func thread() int { return syscall.Gettid() }
