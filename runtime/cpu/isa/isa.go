// Package isa names the instruction sets that kernels are written for and tells
// which of them this processor has.
package isa

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Set is an instruction set that kernels are written for.
type Set uint8

const (
	Scalar Set = iota // plain Go
	NEON              // arm64 with the dot product extension
	AVX2              // amd64: AVX2, FMA and F16C
	AVX512            // amd64: AVX2's and AVX-512 F, BW, DQ, VL and VNNI
)

var names = [...]string{Scalar: "scalar", NEON: "neon", AVX2: "avx2", AVX512: "avx512"}

func (s Set) String() string { return names[s] }

// Available returns the sets that this processor has, the slowest first. Scalar
// is always there.
func Available() []Set { return append([]Set{Scalar}, native()...) }

// Best returns the fastest set that this processor has.
func Best() Set {
	a := Available()
	return a[len(a)-1]
}

// Parse returns the set of that name, "" standing for the best one. A set that
// this processor lacks gives an error that wraps errors.ErrUnsupported.
func Parse(name string) (Set, error) {
	if name == "" {
		return Best(), nil
	}
	i := slices.Index(names[:], name)
	if i < 0 {
		return 0, fmt.Errorf("no instruction set %q (known: %s)", name, strings.Join(names[:], ", "))
	}
	if s := Set(i); slices.Contains(Available(), s) {
		return s, nil
	}
	return 0, fmt.Errorf("instruction set %s: %w by this processor", name, errors.ErrUnsupported)
}
