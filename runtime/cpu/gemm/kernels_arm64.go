package gemm

import (
	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/runtime/cpu/isa"
)

func kernelsOf(set isa.Set, t graph.DType) *kernels {
	if set == isa.NEON {
		return neon[t]
	}
	return nil
}

// quantizer returns a function for one block and more; nil stands for plain Go.
func quantizer(set isa.Set) func(q *byte, d, s, x *float32, blocks int) {
	if set == isa.NEON {
		return neonQuantize
	}
	return nil
}

// Floats take 1024 elements at a time, which are 16 KiB of four rows of activations;
// int8 takes 4096, or 8 KiB of two.
var neon = map[graph.DType]*kernels{
	graph.F32:    {[]tileKernels{{4, neonF32_4x4, neonF32_1x4}, {2, neonF32_4x2, neonF32_1x2}, {1, neonF32_4x1, neonF32_1x1}}, 1024, nil},
	graph.F16:    {[]tileKernels{{4, neonF16_4x4, neonF16_1x4}, {2, neonF16_4x2, neonF16_1x2}, {1, neonF16_4x1, neonF16_1x1}}, 1024, nil},
	graph.BF16:   {[]tileKernels{{4, neonBF16_4x4, neonBF16_1x4}, {2, neonBF16_4x2, neonBF16_1x2}, {1, neonBF16_4x1, neonBF16_1x1}}, 1024, nil},
	graph.Q4_0:   {[]tileKernels{{2, neonQ4_0_4x2, neonQ4_0_1x2}, {1, neonQ4_0_4x1, neonQ4_0_1x1}}, 4096, nil},
	graph.Q4_1:   {[]tileKernels{{2, neonQ4_1_4x2, neonQ4_1_1x2}, {1, neonQ4_1_4x1, neonQ4_1_1x1}}, 4096, nil},
	graph.Q5_0:   {[]tileKernels{{2, neonQ5_0_4x2, neonQ5_0_1x2}, {1, neonQ5_0_4x1, neonQ5_0_1x1}}, 4096, nil},
	graph.Q5_1:   {[]tileKernels{{2, neonQ5_1_4x2, neonQ5_1_1x2}, {1, neonQ5_1_4x1, neonQ5_1_1x1}}, 4096, nil},
	graph.Q8_0:   {[]tileKernels{{2, neonQ8_0_4x2, neonQ8_0_1x2}, {1, neonQ8_0_4x1, neonQ8_0_1x1}}, 4096, nil},
	graph.Q2_K:   {[]tileKernels{{2, neonQ2_K_4x2, neonQ2_K_1x2}, {1, neonQ2_K_4x1, neonQ2_K_1x1}}, 4096, neonSums16},
	graph.Q3_K:   {[]tileKernels{{2, neonQ3_K_4x2, neonQ3_K_1x2}, {1, neonQ3_K_4x1, neonQ3_K_1x1}}, 4096, nil},
	graph.Q4_K:   {[]tileKernels{{2, neonQ4_K_4x2, neonQ4_K_1x2}, {1, neonQ4_K_4x1, neonQ4_K_1x1}}, 4096, nil},
	graph.Q5_K:   {[]tileKernels{{2, neonQ5_K_4x2, neonQ5_K_1x2}, {1, neonQ5_K_4x1, neonQ5_K_1x1}}, 4096, nil},
	graph.Q6_K:   {[]tileKernels{{2, neonQ6_K_4x2, neonQ6_K_1x2}, {1, neonQ6_K_4x1, neonQ6_K_1x1}}, 4096, nil},
	graph.IQ4_NL: {[]tileKernels{{2, neonIQ4_NL_4x2, neonIQ4_NL_1x2}, {1, neonIQ4_NL_4x1, neonIQ4_NL_1x1}}, 4096, nil},
	graph.IQ4_XS: {[]tileKernels{{2, neonIQ4_XS_4x2, neonIQ4_XS_1x2}, {1, neonIQ4_XS_4x1, neonIQ4_XS_1x1}}, 4096, nil},
	graph.MXFP4:  {[]tileKernels{{2, neonMXFP4_4x2, neonMXFP4_1x2}, {1, neonMXFP4_4x1, neonMXFP4_1x1}}, 4096, nil},
}
