package attn

import "github.com/deltaloom/deltaloom/runtime/cpu/isa"

var sets = [...]Kernels{
	isa.Scalar: scalar,
	isa.NEON:   {scores: scoresNEON, scoresAhead: scoresAheadNEON, softmax: softmaxNEON, values1: values1NEON, values4: values4NEON},
}
