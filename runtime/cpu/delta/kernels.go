package delta

// kernels work on a panel s [R K], the records of tokens, and R channels of v, o
// and d. Each sums a row up in one order that depends on nothing but K.
type kernels struct {
	// sums gives Σq², Σk² and Σqk.
	sums func(q, k []float32, sums *[3]float32)
	// foldHead and foldChannels fill a record from q, k and what their norms
	// multiply them with; the record holds one decay, or one per channel.
	foldHead, foldChannels func(record, q, k []float32, qs, ks float32)
	// dots sets d = beta(v - S~k) and o = S~q + d(k·q).
	dots func(s, record, v, o, d []float32)
	// update sets s = S~ + d kᵀ.
	update func(s, record, d []float32)
	// step is update by one token, then dots with the next one.
	step func(s, record, next, v, o, d []float32)
}
