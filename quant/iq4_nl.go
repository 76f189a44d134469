package quant

import "github.com/deltaloom/deltaloom/graph"

// IQ4_NL: 32 elements in 18 bytes: d f16, qs[16] (nibbles.go); value d·T[q] with
// levels that lie closer together around 0.
func init() {
	register(graph.IQ4_NL, codec{split: splitIQ4_NL, group: nibbleBlock, pack: packIQ4_NL, fault: nanAt(0)})
}

var (
	iq4Book  = newCodebook(-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113)
	iq4Table = func() (v [16]int8) {
		for i := range v {
			v[i] = int8(iq4Book.values[i])
		}
		return v
	}()
	iq4Levels = levels{iq4Book.near, []float32{-139, -133, -127, -121, -115, 101, 107, 113, 119, 125}}
)

func splitIQ4_NL(q []int8, scales, _ []float32, src []byte) {
	scales[0] = half(src)
	nibbles(q, src[2:])
	lookUp(q, &iq4Table)
}

func packIQ4_NL(dst []byte, src []float32) {
	inv := inverse(putHalf(dst, fitScale(src, iq4Levels)))
	for e, v := range src {
		putNibble(dst[2:], e, byte(iq4Book.code(v*inv)))
	}
}
