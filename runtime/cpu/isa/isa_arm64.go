package isa

import (
	"runtime"

	"golang.org/x/sys/cpu"
)

func native() []Set {
	// Every Apple processor of this architecture has the dot product; there is
	// no register that a program may ask.
	if cpu.ARM64.HasASIMDDP || runtime.GOOS == "darwin" {
		return []Set{NEON}
	}
	return nil
}
