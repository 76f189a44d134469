//go:build nogpu || android || !(linux || windows) || !(amd64 || arm64)

// Package cudasim is a CUDA driver without a card. There is none on this platform.
package cudasim

import (
	"errors"
	"fmt"
)

// Options are the properties of the card.
type Options struct {
	Memory int64 // bytes; 0 stands for 8 GiB
}

// Driver is a driver with one card.
type Driver struct{}

// Stats counts what was asked of the driver.
type Stats struct {
	Launches, GraphLaunches, GraphNodes, HtoD, DtoH, Synchronizes, Allocs int
	Kernels                                                               map[string]int
}

var errNone = fmt.Errorf("cudasim: no callbacks on this platform: %w", errors.ErrUnsupported)

// New returns an error.
func New(Options) (*Driver, error) { return nil, errNone }

func (*Driver) Close()                         {}
func (*Driver) Lookup(string) (uintptr, error) { return 0, errNone }
func (*Driver) Fault() error                   { return nil }
func (*Driver) Stats() Stats                   { return Stats{} }
func (*Driver) Reset()                         {}
