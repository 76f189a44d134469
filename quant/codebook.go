package quant

import "math"

// codebook is the values that a code of some bits stands for: ascending whole
// numbers.
type codebook struct {
	values []float32
	codes  []uint8 // nearest to values[0], half a step further, one step, …
}

func newCodebook(values ...float32) codebook {
	c := codebook{values: values}
	for k := 0; ; {
		v := values[0] + float32(len(c.codes))/2
		for k+1 < len(values) && v > (values[k]+values[k+1])/2 {
			k++
		}
		c.codes = append(c.codes, uint8(k))
		if k+1 == len(values) {
			return c
		}
	}
}

// code returns the place of the value nearest to v, the lower one of two. Middles
// are multiples of 1/2, so all numbers up to a multiple have its code.
func (c codebook) code(v float32) int {
	i := math.Ceil(float64(2 * (v - c.values[0])))
	return int(c.codes[int(max(0, min(i, float64(len(c.codes)-1))))])
}

func (c codebook) near(v float32) float32 { return c.values[c.code(v)] }
