package attn

import (
	"math"
	"unsafe"
)

var scalar = Kernels{
	open: reader{
		scores: func(s, q *float32, k *byte, n, d, stride int) {
			ss, qs := unsafe.Slice(s, 4*n), unsafe.Slice(q, 4*d)
			keys, step := rowsOf(k, n, d, stride)
			for j := range n {
				for i := range 4 {
					var sum float32
					for e, x := range keys[j*step : j*step+d] {
						sum += x * qs[e/16*64+i*16+e%16]
					}
					ss[4*j+i] = sum
				}
			}
		},
		values: func(o, s, c *float32, v *byte, n, d, stride int) {
			for i := range 4 {
				valuesScalar(plus(o, i*d), plus(s, i), plus(c, i), v, n, d, stride)
			}
		},
	},
	values1: valuesScalar,
	softmax: func(s *float32, n int, m, l, c *float32) {
		for i := range 4 {
			softmaxScalar(unsafe.Slice(plus(s, i), 4*n-3), plus(m, i), plus(l, i), plus(c, i))
		}
	},
}

func plus(p *float32, i int) *float32 { return (*float32)(unsafe.Add(unsafe.Pointer(p), 4*i)) }

// rowsOf returns n rows of d elements that lie stride bytes apart, and that distance
// in elements.
func rowsOf(p *byte, n, d, stride int) ([]float32, int) {
	return unsafe.Slice((*float32)(unsafe.Pointer(p)), (n-1)*stride/4+d), stride / 4
}

// softmaxScalar takes every fourth of s.
func softmaxScalar(s []float32, m, l, c *float32) {
	old, sum := *m, float32(0)
	for j := 0; j < len(s); j += 4 {
		*m = max(*m, s[j])
	}
	for j := 0; j < len(s); j += 4 {
		s[j] = float32(math.Exp(float64(s[j] - *m)))
		sum += s[j]
	}
	*c = float32(math.Exp(float64(old - *m)))
	*l = *l**c + sum
}

func valuesScalar(o, s, c *float32, v *byte, n, d, stride int) {
	out, weights := unsafe.Slice(o, d), unsafe.Slice(s, 4*n-3)
	for e := range out {
		out[e] *= *c
	}
	values, step := rowsOf(v, n, d, stride)
	for j := range n {
		for e, x := range values[j*step : j*step+d] {
			out[e] += weights[4*j] * x
		}
	}
}
