package cuda

import "github.com/deltaloom/deltaloom/runtime/lower"

// The sizes of runtime/kernels/delta_chunk.h.
const (
	chunkTokens  = 64
	chunkKeys    = 128 // of a head
	chunkRows    = 32  // of a state, by one block
	chunkFactors = 128

	// chunkShared is the shared memory of delta_chunk, in bytes: three tiles of keys,
	// two squares, the factors of two chunks, and what four warps have for each other.
	chunkShared = 4*chunkTokens*(3*(chunkKeys+8)+2*(chunkTokens+8)) + 8*chunkFactors + 4*32*16*(8+4)
)

// chunked reports whether the rule goes chunk by chunk: prompts, whose sizes the
// kernels have.
func (d deltaParams) chunked() bool {
	return d.T > scanTokens && d.K == chunkKeys && d.V%chunkRows == 0
}

// chunks adds the two launches of the rule for chunks of tokens.
func (p *plan) chunks(d deltaParams, B int, m operands) {
	n := lower.Ceil(int(d.T), chunkTokens)
	keys := 4 * chunkTokens * chunkKeys // a tile in parts of two bytes
	square := 4 * chunkTokens * chunkTokens
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
		p.launchShared(8*chunkTokens*(chunkKeys+8+1), "delta_prep"+suffix, dim{n, int(d.Hk), B}, line(256), d,
			m.q, m.k, m.a, m.dt, m.A, m.b, q, k, t, qk, factors)
	}
	p.launchShared(chunkShared, "delta_chunk"+suffix,
		dim{int(d.V) / chunkRows, int(d.H), B}, line(128), d, q, k, update, t, qk, factors, m.v, m.slots, m.state, m.o)
}
