package attn

import "github.com/deltaloom/deltaloom/runtime/cpu/isa"

var sets = [...]Kernels{
	isa.Scalar: scalar,
	isa.AVX2: {
		open:    reader{scoresAVX2, values4AVX2},
		f32:     reader{scoresF32AVX2, valuesF32AVX2},
		f16:     reader{scoresF16AVX2, valuesF16AVX2},
		values1: values1AVX2,
		softmax: softmaxAVX2,
	},
	isa.AVX512: {
		open:    reader{scoresAVX512, values4AVX512},
		f32:     reader{scoresF32AVX512, valuesF32AVX512},
		f16:     reader{scoresF16AVX512, valuesF16AVX512},
		values1: values1AVX512,
		softmax: softmaxAVX512,
	},
}
