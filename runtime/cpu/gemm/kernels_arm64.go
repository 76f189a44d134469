package gemm

import (
	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/runtime/cpu/isa"
)

//go:generate go run -C ../gen ./gemm/neon ../gemm

func kernelsOf(set isa.Set, t graph.DType) *kernels {
	if set == isa.NEON {
		return neon[t]
	}
	return nil
}

// quantizer returns a function for one block and more; nil stands for plain Go.
func quantizer(set isa.Set) func(q *byte, d, s *float32, sums *int32, x *float32, blocks int) {
	if set == isa.NEON {
		return neonQuantize
	}
	return nil
}

// Floats take 1024 elements at a time, which are 16 KiB of four rows of activations;
// int8 takes 4096, which are as many bytes.
var neon = map[graph.DType]*kernels{
	graph.F32:  {[]tileKernels{{4, neonF32_4x4, neonF32_1x4}, {2, neonF32_4x2, neonF32_1x2}, {1, neonF32_4x1, neonF32_1x1}}, 1024},
	graph.F16:  {[]tileKernels{{4, neonF16_4x4, neonF16_1x4}, {2, neonF16_4x2, neonF16_1x2}, {1, neonF16_4x1, neonF16_1x1}}, 1024},
	graph.BF16: {[]tileKernels{{4, neonBF16_4x4, neonBF16_1x4}, {2, neonBF16_4x2, neonBF16_1x2}, {1, neonBF16_4x1, neonBF16_1x1}}, 1024},
	graph.Q8_0: {[]tileKernels{{4, neonQ8_0_4x4, neonQ8_0_1x4}, {2, neonQ8_0_4x2, neonQ8_0_1x2}, {1, neonQ8_0_4x1, neonQ8_0_1x1}}, 4096},
	graph.Q4_K: {[]tileKernels{{4, neonQ4_K_4x4, neonQ4_K_1x4}, {2, neonQ4_K_4x2, neonQ4_K_1x2}, {1, neonQ4_K_4x1, neonQ4_K_1x1}}, 4096},
	graph.Q6_K: {[]tileKernels{{4, neonQ6_K_4x4, neonQ6_K_1x4}, {2, neonQ6_K_4x2, neonQ6_K_1x2}, {1, neonQ6_K_4x1, neonQ6_K_1x1}}, 4096},
}
