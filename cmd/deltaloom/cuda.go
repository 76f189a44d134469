//go:build !nogpu

package main

import (
	"github.com/deltaloom/deltaloom"
	"github.com/deltaloom/deltaloom/runtime/cuda"
	"github.com/deltaloom/deltaloom/runtime/sched"
)

// Binding the driver links the command with the system's loader; a build with the
// tag nogpu is static.
func init() {
	deltaloom.RegisterBackend("cuda", func() (sched.Backend, error) { return cuda.New(cuda.Options{}) })
}
