package vec

import (
	"unsafe"

	"github.com/deltaloom/deltaloom/quant"
)

// FromHalf sets y to the values of half-precision bits.
func (f *Funcs) FromHalf(y []float32, x []uint16) {
	x = x[:len(y)]
	f.fromHalf(p(y), unsafe.SliceData(x), len(y))
	for i := len(y) &^ 15; i < len(y); i++ {
		y[i] = quant.F16ToF32(x[i])
	}
}

// ToHalf sets y to the bits of the nearest half-precision numbers, ties to even.
func (f *Funcs) ToHalf(y []uint16, x []float32) {
	x = x[:len(y)]
	f.toHalf(unsafe.SliceData(y), p(x), len(y))
	for i := len(y) &^ 15; i < len(y); i++ {
		y[i] = quant.F32ToF16(x[i])
	}
}
