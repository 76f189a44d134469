package gemm

import "github.com/deltaloom/deltaloom/quant"

// unpacked is Rows for types without a kernel: it unpacks each row to F32 once and
// multiplies that with every row of activations.
func (p *Product) unpacked(s *Scratch, y []float32, ldy int, w, acts []byte, m, rows int) {
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
			y[i*ldy+r] = p.vec.Dot(row, x[i*ldx:])
		}
	}
}
