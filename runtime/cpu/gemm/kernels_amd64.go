package gemm

import (
	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/runtime/cpu/isa"
)

//go:generate go run -C ../gen ./gemm -out ../gemm/kernels_amd64.s -declarations ../gemm/declarations_amd64.go

// AVX-512 alone has kernels so far; what has none is unpacked.
func kernelsOf(set isa.Set, t graph.DType) *kernels {
	if set == isa.AVX512 {
		return avx512[t]
	}
	return nil
}

// Floats take 1024 elements at a time, which are 24 KiB of six rows of
// activations; int8 takes 4096, or 16 KiB of four.
var avx512 = map[graph.DType]*kernels{
	graph.F32:  {[]tileKernels{{6, avx512F32_4x6, avx512F32_1x6}, {2, avx512F32_4x2, avx512F32_1x2}, {1, avx512F32_4x1, avx512F32_1x1}}, 1024},
	graph.F16:  {[]tileKernels{{6, avx512F16_4x6, avx512F16_1x6}, {2, avx512F16_4x2, avx512F16_1x2}, {1, avx512F16_4x1, avx512F16_1x1}}, 1024},
	graph.BF16: {[]tileKernels{{6, avx512BF16_4x6, avx512BF16_1x6}, {2, avx512BF16_4x2, avx512BF16_1x2}, {1, avx512BF16_4x1, avx512BF16_1x1}}, 1024},
	graph.Q8_0: {[]tileKernels{{4, avx512Q8_0_4x4, avx512Q8_0_1x4}, {2, avx512Q8_0_4x2, avx512Q8_0_1x2}, {1, avx512Q8_0_4x1, avx512Q8_0_1x1}}, 4096},
	graph.Q4_K: {[]tileKernels{{4, avx512Q4_K_4x4, avx512Q4_K_1x4}, {2, avx512Q4_K_4x2, avx512Q4_K_1x2}, {1, avx512Q4_K_4x1, avx512Q4_K_1x1}}, 4096},
	graph.Q6_K: {[]tileKernels{{4, avx512Q6_K_4x4, avx512Q6_K_1x4}, {2, avx512Q6_K_4x2, avx512Q6_K_1x2}, {1, avx512Q6_K_4x1, avx512Q6_K_1x1}}, 4096},
}

func quantizer(isa.Set) func(q *byte, d, s, x *float32, blocks int) { return nil }
