package vec

// Filter4 sets y = silu(Σ_p x[p]·w[p]), w [4 n] with n the length of y.
func (f *Funcs) Filter4(y []float32, x [4][]float32, w []float32) {
	n := len(y)
	w = w[:4*n]
	f.filter4(p(y), p(x[0][:n]), p(x[1][:n]), p(x[2][:n]), p(x[3][:n]), p(w), p(w[n:]), p(w[2*n:]), p(w[3*n:]), n)
}

// Transpose4 turns x [n 4] into y [4 n].
func (f *Funcs) Transpose4(y, x []float32) {
	n := len(y) / 4
	y, x = y[:4*n], x[:4*n]
	f.transpose4(p(y), p(x), n)
	for i := n &^ 15; i < n; i++ {
		for j := range 4 {
			y[j*n+i] = x[4*i+j]
		}
	}
}
