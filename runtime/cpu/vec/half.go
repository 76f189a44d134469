package vec

import (
	bits "encoding/binary"
	"unsafe"

	"github.com/deltaloom/deltaloom/quant"
)

// FromHalf sets y to the values of half-precision numbers as they lie in a file.
func (f *Funcs) FromHalf(y []float32, x []byte) {
	x = x[:2*len(y)]
	f.fromHalf(p(y), unsafe.SliceData(x), len(y))
	n := len(y) &^ 15
	fromHalf(y[n:], x[2*n:])
}

// ToHalf sets y to the nearest half-precision numbers, ties to even, as they lie in a
// file.
func (f *Funcs) ToHalf(y []byte, x []float32) {
	y = y[:2*len(x)]
	f.toHalf(unsafe.SliceData(y), p(x), len(x))
	n := len(x) &^ 15
	toHalf(y[2*n:], x[n:])
}

func fromHalf(y []float32, x []byte) {
	for i := range y {
		y[i] = quant.F16ToF32(bits.LittleEndian.Uint16(x[2*i:]))
	}
}

func toHalf(y []byte, x []float32) {
	for i, v := range x {
		bits.LittleEndian.PutUint16(y[2*i:], quant.F32ToF16(v))
	}
}
