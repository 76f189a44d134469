package quant

import (
	"math"

	"github.com/deltaloom/deltaloom/graph"
)

// MXFP4: 32 elements in 17 bytes: e u8, qs[16] (nibbles.go). The code is an E2M1
// number, bit 3 its sign; value F·2^(e-128) with F twice that number, so that all
// are whole.
func init() {
	register(graph.MXFP4, codec{split: splitMXFP4, group: nibbleBlock, pack: packMXFP4, fault: faultMXFP4})
}

var (
	mxfp4Book   = newCodebook(0, 1, 2, 3, 4, 6, 8, 12) // of the magnitude
	mxfp4Values = func() (f [16]int8) {
		for i, v := range mxfp4Book.values {
			f[i], f[i+8] = int8(v), -int8(v)
		}
		return f
	}()
)

var mxfp4Scales = func() (s [256]float32) {
	for e := range s {
		s[e] = float32(math.Ldexp(1, e-128))
	}
	return s
}()

func mxfp4Code(v float32) byte {
	if v < 0 {
		return byte(mxfp4Book.code(-v)) | 8
	}
	return byte(mxfp4Book.code(v))
}

func splitMXFP4(q []int8, scales, _ []float32, src []byte) {
	scales[0] = mxfp4Scales[src[0]]
	nibbles(q, src[1:])
	lookUp(q, &mxfp4Values)
}

// packMXFP4 takes the better of two scales: that under which the largest element
// is from 8 to 16, where those above 12 give up some, and the next one.
func packMXFP4(dst []byte, src []float32) {
	_, exp := math.Frexp(float64(maxAbs(src))) // the largest is below 2^exp
	best := math.Inf(1)
	for n := exp + 124; n <= exp+125; n++ {
		e := byte(max(0, n))
		s, inv := mxfp4Scales[e], math.Ldexp(1, 128-int(e)) // 2^128 is no float32
		var qs [nibbleBytes]byte
		var err float64
		for i, v := range src {
			q := mxfp4Code(float32(float64(v) * inv))
			putNibble(qs[:], i, q)
			d := float64(v) - float64(float32(mxfp4Values[q])*s)
			err += d * d
		}
		if err < best {
			best, dst[0] = err, e
			copy(dst[1:], qs[:])
		}
	}
}

// faultMXFP4 makes infinities: 12·2^127.
func faultMXFP4(dst []byte) {
	dst[0] = 255
	for i := range dst[1:] {
		dst[1+i] = 0x77
	}
}
