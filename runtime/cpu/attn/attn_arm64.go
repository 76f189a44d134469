package attn

import "github.com/deltaloom/deltaloom/runtime/cpu/isa"

var sets = [...]Kernels{
	isa.Scalar: scalar,
	isa.NEON: {
		open:    reader{scoresNEON, values4NEON},
		f32:     reader{scoresF32NEON, valuesF32NEON},
		f16:     reader{scoresF16NEON, valuesF16NEON},
		values1: values1NEON,
		softmax: softmaxNEON,
	},
}
