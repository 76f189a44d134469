package quant

// K quants without a minimum, and IQ4_XS: groups of a block of 256 have a signed
// scale each, a whole multiple of the block's d. The value of an element is
// (d·scale)·level.

// scaledBlock is a block before its bits are laid out.
type scaledBlock struct {
	scale [16]int // of each group, those there are
	inv   [16]float32
}

// fitScaledBlock fits a scale to each group of so many elements by least squares,
// rounds it to a multiple from -most to most-1 of d, which it writes as f16, and
// then tries its neighbours. inv makes levels of elements.
func fitScaledBlock(x []float32, group int, l levels, most int, d []byte) *scaledBlock {
	b := &scaledBlock{}
	var scales [16]float32
	var largest float32 // of the scales, by magnitude: it takes the longer side
	for k := range kBlock / group {
		scales[k] = fitScale(x[k*group:(k+1)*group], l)
		if s := scales[k]; max(s, -s) > max(largest, -largest) {
			largest = s
		}
	}
	unit := putHalf(d, largest/float32(-most))
	for k := range kBlock / group {
		b.scale[k] = bestScale(x[k*group:(k+1)*group], unit, scales[k], l, most)
		b.inv[k] = inverse(unit * float32(b.scale[k]))
	}
	return b
}
