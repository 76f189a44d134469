//go:build !amd64 && !arm64

package gemm

import (
	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/runtime/cpu/isa"
)

// No kernels here yet: every type runs in plain Go.

func kernelsOf(isa.Set, graph.DType) *kernels { return nil }

func panelOf(isa.Set, graph.DType) *panelType { return nil }

func quantizer(isa.Set) func(q *byte, d, s, x *float32, blocks int) { return nil }
