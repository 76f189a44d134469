package cuda

import "github.com/deltaloom/deltaloom/runtime/lower"

// The sizes of runtime/kernels/delta_chunk.h.
const (
	chunkTokens  = 64
	chunkKeys    = 128 // of a head
	chunkRows    = 32  // of a state, by one block
	chunkFactors = 128
)

// chunked reports whether the rule goes chunk by chunk: prompts, whose sizes the
// kernels have.
func (d deltaParams) chunked() bool {
	return d.T > scanTokens && d.K == chunkKeys && d.V%chunkRows == 0
}

// tileBytes is a tile of 64 rows in parts of two bytes, dense and in shared memory.
func tileBytes(n int) (dense, shared int) { return 4 * chunkTokens * n, 4 * chunkTokens * (n + 8) }

// chunks adds the two launches of the rule for chunks of tokens.
func (p *plan) chunks(d deltaParams, B int, m operands) {
	n := lower.Ceil(int(d.T), chunkTokens)
	keys, keysShared := tileBytes(chunkKeys)
	square, squareShared := tileBytes(chunkTokens)
	heads := int64(B * int(d.H) * n)
	tiles := func(count int64, bytes int) buffer { return p.scratch(count * int64(bytes)) }
	t, qk, factors := tiles(heads, square), tiles(heads, square), tiles(heads, 4*chunkFactors)

	suffix, update := "_128", null
	var q, k buffer
	if d.Decays > 1 {
		suffix = "_channels_128"
		q, k, update = tiles(heads, keys), tiles(heads, keys), tiles(heads, keys)
		p.launchShared(4*chunkTokens*(3*(chunkKeys+4)+2*(chunkTokens+4)+1), "delta_prep"+suffix, dim{n, int(d.H), B}, line(256), d,
			m.q, m.k, m.a, m.dt, m.A, m.b, q, k, update, t, qk, factors)
	} else {
		shared := int64(B * int(d.Hk) * n) // by the heads of a key head
		q, k = tiles(shared, keys), tiles(shared, keys)
		p.launchShared(2*keysShared+8*chunkTokens, "delta_prep"+suffix, dim{n, int(d.Hk), B}, line(256), d,
			m.q, m.k, m.a, m.dt, m.A, m.b, q, k, t, qk, factors)
	}
	const partial = 4 * 32 * 16 * (8 + 4) // what four warps have for each other
	p.launchShared(3*keysShared+2*squareShared+8*chunkFactors+partial, "delta_chunk"+suffix,
		dim{int(d.V) / chunkRows, int(d.H), B}, line(128), d, q, k, update, t, qk, factors, m.v, m.slots, m.state, m.o)
}
