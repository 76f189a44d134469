//go:build amd64 || arm64

package cpu

// pause tells the processor that the thread is waiting for memory to change.
//
//go:noescape
func pause()
