package attn

import "github.com/deltaloom/deltaloom/runtime/cpu/isa"

var sets = [...]Kernels{
	isa.Scalar: scalar,
	isa.NEON:   {scores: scoresNEON, scoresAhead: scoresAheadNEON, softmax1: softmax1NEON, softmax4: softmax4NEON, values1: values1NEON, values4: values4NEON},
}
