package attn

import (
	"math"
	"unsafe"
)

var scalar = Kernels{
	scores:      scoresScalar,
	scoresAhead: func(s, q, k *float32, n, d, stride, _ int) { scoresScalar(s, q, k, n, d, stride) },
	softmax1:    softmaxScalar,
	softmax4: func(s *float32, n int, m, l, c *float32, scale float32) {
		for i := range uintptr(4) {
			row := func(p *float32, step uintptr) *float32 { return (*float32)(unsafe.Add(unsafe.Pointer(p), 4*step*i)) }
			softmaxScalar(row(s, tile), n, row(m, 1), row(l, 1), row(c, 1), scale)
		}
	},
	values1: func(o, s, c, v *float32, n, d, ostride, vstride int) {
		valuesScalar(1, o, s, c, v, n, d, ostride, vstride)
	},
	values4: func(o, s, c, v *float32, n, d, ostride, vstride int) {
		valuesScalar(4, o, s, c, v, n, d, ostride, vstride)
	},
}

func scoresScalar(s, q, k *float32, n, d, stride int) {
	ss, qs, ks := unsafe.Slice(s, 3*tile+n), unsafe.Slice(q, 4*d), unsafe.Slice(k, (n-1)*stride+d)
	for j := range n {
		key := ks[j*stride : j*stride+d]
		for i := range 4 {
			var sum float32
			for e, x := range key {
				sum += x * qs[e/16*64+i*16+e%16]
			}
			ss[i*tile+j] = sum
		}
	}
}

func softmaxScalar(s *float32, n int, m, l, c *float32, scale float32) {
	old, sum := *m, float32(0)
	scores := unsafe.Slice(s, n)
	for j := range scores {
		scores[j] *= scale
		*m = max(*m, scores[j])
	}
	for j, x := range scores {
		scores[j] = float32(math.Exp(float64(x - *m)))
		sum += scores[j]
	}
	*c = float32(math.Exp(float64(old - *m)))
	*l = *l**c + sum
}

func valuesScalar(rows int, o, s, c, v *float32, n, d, ostride, vstride int) {
	vs := unsafe.Slice(v, (n-1)*vstride+d)
	for i := range rows {
		out := unsafe.Slice(o, (rows-1)*ostride+d)[i*ostride : i*ostride+d]
		for e := range out {
			out[e] *= unsafe.Slice(c, rows)[i]
		}
		for j, w := range unsafe.Slice(s, (rows-1)*tile+n)[i*tile : i*tile+n] {
			for e, x := range vs[j*vstride : j*vstride+d] {
				out[e] += w * x
			}
		}
	}
}
