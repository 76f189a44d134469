package gemm

import (
	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/runtime/cpu/isa"
)

//go:generate go run -C ../gen ./gemm -out ../gemm/kernels_amd64.s -declarations ../gemm/declarations_amd64.go

func kernelsOf(set isa.Set, t graph.DType) *kernels {
	switch set {
	case isa.AVX2:
		return avx2[t]
	case isa.AVX512:
		if k := avx512[t]; k != nil {
			return k
		}
		return avx2[t]
	}
	return nil
}

// quantizer returns a function for one block and more; nil stands for plain Go.
func quantizer(set isa.Set) func(q *byte, d, s, x *float32, blocks int) {
	if set == isa.Scalar {
		return nil
	}
	return avx2Quantize
}

// Floats take 1024 elements at a time, quantised weights 4096: 8 KiB of two rows of
// activations.
var avx2 = map[graph.DType]*kernels{
	graph.F32:    {[]tileKernels{{3, avx2F32_4x3, avx2F32_1x3}, {2, avx2F32_4x2, avx2F32_1x2}, {1, avx2F32_4x1, avx2F32_1x1}}, 1024, nil},
	graph.F16:    {[]tileKernels{{2, avx2F16_4x2, avx2F16_1x2}, {1, avx2F16_4x1, avx2F16_1x1}}, 1024, nil},
	graph.BF16:   {[]tileKernels{{2, avx2BF16_4x2, avx2BF16_1x2}, {1, avx2BF16_4x1, avx2BF16_1x1}}, 1024, nil},
	graph.Q8_0:   {[]tileKernels{{2, avx2Q8_0_4x2, avx2Q8_0_1x2}, {1, avx2Q8_0_4x1, avx2Q8_0_1x1}}, 4096, nil},
	graph.Q4_0:   {[]tileKernels{{2, avx2Q4_0_4x2, avx2Q4_0_1x2}, {1, avx2Q4_0_4x1, avx2Q4_0_1x1}}, 4096, nil},
	graph.Q4_1:   {[]tileKernels{{2, avx2Q4_1_4x2, avx2Q4_1_1x2}, {1, avx2Q4_1_4x1, avx2Q4_1_1x1}}, 4096, nil},
	graph.Q5_0:   {[]tileKernels{{2, avx2Q5_0_4x2, avx2Q5_0_1x2}, {1, avx2Q5_0_4x1, avx2Q5_0_1x1}}, 4096, nil},
	graph.Q5_1:   {[]tileKernels{{2, avx2Q5_1_4x2, avx2Q5_1_1x2}, {1, avx2Q5_1_4x1, avx2Q5_1_1x1}}, 4096, nil},
	graph.IQ4_NL: {[]tileKernels{{2, avx2IQ4_NL_4x2, avx2IQ4_NL_1x2}, {1, avx2IQ4_NL_4x1, avx2IQ4_NL_1x1}}, 4096, nil},
	graph.MXFP4:  {[]tileKernels{{2, avx2MXFP4_4x2, avx2MXFP4_1x2}, {1, avx2MXFP4_4x1, avx2MXFP4_1x1}}, 4096, nil},
	graph.Q2_K:   {[]tileKernels{{2, avx2Q2_K_4x2, avx2Q2_K_1x2}, {1, avx2Q2_K_4x1, avx2Q2_K_1x1}}, 4096, avx2Sums16},
	graph.Q3_K:   {[]tileKernels{{2, avx2Q3_K_4x2, avx2Q3_K_1x2}, {1, avx2Q3_K_4x1, avx2Q3_K_1x1}}, 4096, nil},
	graph.Q4_K:   {[]tileKernels{{2, avx2Q4_K_4x2, avx2Q4_K_1x2}, {1, avx2Q4_K_4x1, avx2Q4_K_1x1}}, 4096, nil},
	graph.Q5_K:   {[]tileKernels{{2, avx2Q5_K_4x2, avx2Q5_K_1x2}, {1, avx2Q5_K_4x1, avx2Q5_K_1x1}}, 4096, nil},
	graph.Q6_K:   {[]tileKernels{{2, avx2Q6_K_4x2, avx2Q6_K_1x2}, {1, avx2Q6_K_4x1, avx2Q6_K_1x1}}, 4096, nil},
	graph.IQ4_XS: {[]tileKernels{{2, avx2IQ4_XS_4x2, avx2IQ4_XS_1x2}, {1, avx2IQ4_XS_4x1, avx2IQ4_XS_1x1}}, 4096, nil},
}

// Floats take 1024 elements at a time, which are 24 KiB of six rows of
// activations; int8 takes 4096, or 16 KiB of four.
var avx512 = map[graph.DType]*kernels{
	graph.F32:  {[]tileKernels{{6, avx512F32_4x6, avx512F32_1x6}, {2, avx512F32_4x2, avx512F32_1x2}, {1, avx512F32_4x1, avx512F32_1x1}}, 1024, nil},
	graph.F16:  {[]tileKernels{{6, avx512F16_4x6, avx512F16_1x6}, {2, avx512F16_4x2, avx512F16_1x2}, {1, avx512F16_4x1, avx512F16_1x1}}, 1024, nil},
	graph.BF16: {[]tileKernels{{6, avx512BF16_4x6, avx512BF16_1x6}, {2, avx512BF16_4x2, avx512BF16_1x2}, {1, avx512BF16_4x1, avx512BF16_1x1}}, 1024, nil},
	graph.Q8_0: {[]tileKernels{{4, avx512Q8_0_4x4, avx512Q8_0_1x4}, {2, avx512Q8_0_4x2, avx512Q8_0_1x2}, {1, avx512Q8_0_4x1, avx512Q8_0_1x1}}, 4096, nil},
	graph.Q4_K: {[]tileKernels{{4, avx512Q4_K_4x4, avx512Q4_K_1x4}, {2, avx512Q4_K_4x2, avx512Q4_K_1x2}, {1, avx512Q4_K_4x1, avx512Q4_K_1x1}}, 4096, nil},
	graph.Q6_K: {[]tileKernels{{4, avx512Q6_K_4x4, avx512Q6_K_1x4}, {2, avx512Q6_K_4x2, avx512Q6_K_1x2}, {1, avx512Q6_K_4x1, avx512Q6_K_1x1}}, 4096, nil},
}
