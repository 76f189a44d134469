package quant

// K quants with a minimum: groups of a block of 256 have a scale and a minimum
// each, whole multiples of the block's d and dmin. The value of an element is
// (d·scale)·q - dmin·min.

const kBlock = 256 // elements a block of every K quant, and of IQ4_XS

// affineBlock is a block before its bits are laid out.
type affineBlock struct {
	scale, low [16]byte // of each group, those there are
	q          [kBlock]byte
}

// fitAffineBlock fits a scale and a minimum to each group of so many elements by
// least squares, rounds them to multiples from 0 to most of d and dmin, which it
// writes as f16, and then tries the neighbours of each.
func fitAffineBlock(x []float32, group, top, most int, d, dmin []byte) *affineBlock {
	b := &affineBlock{}
	var scales, lows [16]float32
	for k := range kBlock / group {
		scales[k], lows[k] = fitAffine(x[k*group:(k+1)*group], top)
	}
	unit, lowUnit := putHalf(d, maxAbs(scales[:])/float32(most)), putHalf(dmin, maxAbs(lows[:])/float32(most))
	for k := range kBlock / group {
		x := x[k*group : (k+1)*group]
		b.scale[k], b.low[k] = bestPair(x, unit, lowUnit, scales[k], lows[k], top, most)
		inv, low := inverse(unit*float32(b.scale[k])), lowUnit*float32(b.low[k])
		for i, v := range x {
			b.q[k*group+i] = byte(level(v, low, inv, top))
		}
	}
	return b
}

// Q4_K and Q5_K keep the pairs of 8 groups of 32, 6 bits a number, in 12 bytes s.
// For the pair k:
//
//	k < 4   scale = s[k] & 63                            min = s[k+4] & 63
//	k >= 4  scale = s[k+4] & 15 | (s[k-4] >> 6) << 4     min = s[k+4] >> 4 | (s[k] >> 6) << 4
const (
	pairGroup = 32
	pairBytes = 12
	pairMost  = 63
)

// pair returns the scale and the minimum of group k.
func pair(s []byte, k int) (scale, low byte) {
	if k < 4 {
		return s[k] & 63, s[k+4] & 63
	}
	return s[k+4]&15 | s[k-4]>>6<<4, s[k+4]>>4 | s[k]>>6<<4
}

// putPairs is the inverse of pair for all groups; no number is above 63.
func putPairs(s, scale, low []byte) {
	for k := range 4 {
		s[k] = scale[k] | scale[k+4]>>4<<6
		s[k+4] = low[k] | low[k+4]>>4<<6
		s[k+8] = scale[k+4]&15 | low[k+4]&15<<4
	}
}
