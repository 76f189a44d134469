package vec

import "github.com/deltaloom/deltaloom/runtime/cpu/isa"

var sets = [...]*Funcs{isa.Scalar: scalar, isa.AVX2: avx2, isa.AVX512: avx512}

var avx2 = &Funcs{
	exp:        expAVX2,
	sigmoid:    sigmoidAVX2,
	silu:       siluAVX2,
	softplus:   softplusAVX2,
	add:        addAVX2,
	mul:        mulAVX2,
	mulSigmoid: mulSigmoidAVX2,
	mulSilu:    mulSiluAVX2,
	scale:      scaleAVX2,
	axpy:       axpyAVX2,
	scaleMul:   scaleMulAVX2,
	mulAdd:     mulAddAVX2,
	filter4:    filter4AVX2,
	transpose4: transpose4AVX2,
	rotate:     rotateAVX2,
	dot:        dotAVX2,
	sumSquares: sumSquaresAVX2,
	max:        maxAVX2,
	expSum:     expSumAVX2,
	fromHalf:   fromHalfAVX2,
	toHalf:     toHalfAVX2,
}

var avx512 = &Funcs{
	exp:        expAVX512,
	sigmoid:    sigmoidAVX512,
	silu:       siluAVX512,
	softplus:   softplusAVX512,
	add:        addAVX512,
	mul:        mulAVX512,
	mulSigmoid: mulSigmoidAVX512,
	mulSilu:    mulSiluAVX512,
	scale:      scaleAVX512,
	axpy:       axpyAVX512,
	scaleMul:   scaleMulAVX512,
	mulAdd:     mulAddAVX512,
	filter4:    filter4AVX512,
	transpose4: transpose4AVX512,
	rotate:     rotateAVX512,
	dot:        dotAVX512,
	sumSquares: sumSquaresAVX512,
	max:        maxAVX512,
	expSum:     expSumAVX512,
	fromHalf:   fromHalfAVX512,
	toHalf:     toHalfAVX512,
}
