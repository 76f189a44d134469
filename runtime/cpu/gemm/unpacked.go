package gemm

import "github.com/deltaloom/deltaloom/quant"

// unpacked is Rows for types without a kernel: it unpacks each row to F32 once and
// multiplies that with every row of activations.
func (p *Product) unpacked(s *scratch, y []float32, ldy int, w, acts []byte, m, rows int) {
	x, row := floats(acts), grow(&s.row, p.k)
	ldx := ActBytes(Float, p.k) / 4
	if p.kind == Int8 {
		x = grow(&s.acts, m*ldx)
		size := ActBytes(Int8, p.k)
		for i := range m {
			to := x[i*ldx : (i+1)*ldx]
			dequantize(to[:p.k], acts[i*size:(i+1)*size])
			clear(to[p.k:])
		}
	}
	for r := range rows {
		if err := quant.Unpack(p.t, row, w[r*p.rowBytes:(r+1)*p.rowBytes]); err != nil {
			panic(err) // New has unpacked a block of the type
		}
		if p.kernels != nil {
			p.kernels.row(&s.tile, y[r:], ldy, row, x, ldx, m)
			continue
		}
		for i := range m {
			y[i*ldy+r] = dot(x[i*ldx:], row)
		}
	}
}

// dot returns Σ x·w over the elements of w. Four sums keep the processor from
// waiting for each addition.
func dot(x, w []float32) float32 {
	x = x[:len(w)]
	var a, b, c, d float32
	for len(w) >= 4 {
		a += x[0] * w[0]
		b += x[1] * w[1]
		c += x[2] * w[2]
		d += x[3] * w[3]
		x, w = x[4:], w[4:]
	}
	for j := range w {
		a += x[j] * w[j]
	}
	return (a + b) + (c + d)
}
