package vec

import "github.com/deltaloom/deltaloom/runtime/cpu/isa"

var sets = [...]*Funcs{isa.Scalar: scalar, isa.NEON: neon}

var neon = &Funcs{
	exp:         expNEON,
	sigmoid:     sigmoidNEON,
	silu:        siluNEON,
	softplus:    softplusNEON,
	add:         addNEON,
	sub:         subNEON,
	mul:         mulNEON,
	div:         divNEON,
	larger:      largerNEON,
	smaller:     smallerNEON,
	mulSigmoid:  mulSigmoidNEON,
	mulSilu:     mulSiluNEON,
	mulSiluRows: mulSiluRowsNEON,
	scale:       scaleNEON,
	shift:       shiftNEON,
	over:        overNEON,
	clamp:       clampNEON,
	axpy:        axpyNEON,
	scaleMul:    scaleMulNEON,
	mulAdd:      mulAddNEON,
	filter4:     filter4NEON,
	transpose4:  transpose4NEON,
	rotate:      rotateNEON,
	dot:         dotNEON,
	sumSquares:  sumSquaresNEON,
	max:         maxNEON,
	expSum:      expSumNEON,
	fromHalf:    fromHalfNEON,
	toHalf:      toHalfNEON,
}
