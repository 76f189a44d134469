package attn

import "github.com/deltaloom/deltaloom/runtime/cpu/isa"

var sets = [...]Kernels{
	isa.Scalar: scalar,
	isa.AVX2:   {scores: scoresAVX2, scoresAhead: scoresAheadAVX2, softmax1: softmax1AVX2, softmax4: softmax4AVX2, values1: values1AVX2, values4: values4AVX2},
	isa.AVX512: {scores: scoresAVX512, scoresAhead: scoresAheadAVX512, softmax1: softmax1AVX512, softmax4: softmax4AVX512, values1: values1AVX512, values4: values4AVX512},
}
