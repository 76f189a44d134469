package delta

import "github.com/deltaloom/deltaloom/runtime/cpu/vec"

var scalar = kernels{sums, foldHead, foldChannels, dots, update, step}

func sums(q, k []float32, sums *[3]float32) {
	*sums = [3]float32{vec.Dot(q, q), vec.Dot(k, k), vec.Dot(q, k)}
}

func foldHead(record, q, k []float32, qs, ks float32) {
	for i := range k {
		record[i] = record[0]
	}
	foldChannels(record, q, k, qs, ks)
}

func foldChannels(record, q, k []float32, qs, ks float32) {
	K := len(k)
	a, kn, ak, aq := fields(record, K)
	for i := range K {
		kn[i] = k[i] * ks
		ak[i] = a[i] * kn[i]
		aq[i] = a[i] * (q[i] * qs)
	}
}

// fields are the vectors of a record.
func fields(record []float32, K int) (a, k, ak, aq []float32) {
	return record[:K], record[K:][:K], record[2*K:][:K], record[3*K:][:K]
}

func dots(s, record, v, o, d []float32) {
	K := len(s) / len(d)
	_, _, ak, aq := fields(record, K)
	beta, kq := record[4*K], record[4*K+1]
	for j := range d {
		row := s[j*K:][:K]
		d[j] = beta * (v[j] - vec.Dot(row, ak))
		o[j] = vec.Dot(row, aq) + d[j]*kq
	}
}

func update(s, record, d []float32) {
	K := len(s) / len(d)
	a, k, _, _ := fields(record, K)
	for j, e := range d {
		row := s[j*K:][:K]
		for i, x := range row {
			row[i] = a[i]*x + e*k[i]
		}
	}
}

func step(s, record, next, v, o, d []float32) {
	update(s, record, d)
	dots(s, next, v, o, d)
}
