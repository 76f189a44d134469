package delta

// The kernels work on a panel s [R K], the records of tokens, and R channels of v,
// o and d. A row is summed up in one order that depends on nothing but K.

// fold fills a record from q, k and what their norms multiply them with; the
// record holds the decays of all channels.
func (w *worker) fold(record, q, k []float32, qs, ks float32) {
	a, kn, ak, aq := fields(record, len(k))
	w.vec.Scale(kn, ks, k)
	w.vec.Mul(ak, a, kn)
	w.vec.ScaleMul(aq, qs, a, q)
}

// fields are the vectors of a record.
func fields(record []float32, K int) (a, k, ak, aq []float32) {
	return record[:K], record[K:][:K], record[2*K:][:K], record[3*K:][:K]
}

// dots sets d = beta(v - S~k) and o = S~q + d(k·q).
func (w *worker) dots(s, record, v, o, d []float32) {
	K := len(s) / len(d)
	_, _, ak, aq := fields(record, K)
	beta, kq := record[4*K], record[4*K+1]
	for j := range d {
		row := s[j*K:][:K]
		d[j] = beta * (v[j] - w.vec.Dot(row, ak))
		o[j] = w.vec.Dot(row, aq) + d[j]*kq
	}
}

// update sets s = S~ + d kᵀ.
func (w *worker) update(s, record, d []float32) {
	K := len(s) / len(d)
	a, k, _, _ := fields(record, K)
	for j, e := range d {
		row := s[j*K:][:K]
		w.vec.Mul(row, a, row)
		w.vec.Axpy(row, e, k)
	}
}
