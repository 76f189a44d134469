package cuda

import (
	"fmt"

	"github.com/deltaloom/deltaloom/runtime/lower"
)

// Sizes of runtime/kernels/matvec.h.
const (
	vecTokens  = 8
	vecWeights = 8
	vecWarps   = 8
	vecRing    = 4608
)

const (
	// vecBlocks is two blocks for each of the 132 multiprocessors of a large card.
	vecBlocks = 264
	// vecShared is shared memory that a block of every card may have, and two blocks of
	// a large one.
	vecShared = 96 << 10
	// vecOwn is how many activations every block rounds for itself. For more, that takes
	// longer, about 1 us, than another launch that rounds them once.
	vecOwn = 8192
)

// matvecParams is MatvecParams of the device.
type matvecParams struct {
	Tokens, Weights, Mode, Rounded, Pair uint32
	Eps                                  float32
	K, Type, Rows, RowBytes              [vecWeights]uint32
	First                                [vecWeights + 1]uint32
}

// atOnce is the number of tokens, a power of two, that a kernel takes.
func atOnce(tokens int) int {
	t := 1
	for t < tokens {
		t *= 2
	}
	return t
}

// tokenBytes is token_bytes of runtime/kernels/activations.h.
func tokenBytes(k int) int { return lower.Ceil(k/32, 4) * 4 * 40 }

// vecMemory is the shared memory of a block that multiplies so many tokens with w.
func vecMemory(tokens int, w weight) int {
	if w.plain() {
		return atOnce(tokens) * 4 * lower.Ceil(w.k, 4) * 4
	}
	return atOnce(tokens)*tokenBytes(w.k) + vecWarps*vecRing
}

// fewTokens says that matvec can do it.
func fewTokens(tokens int, w weight) bool {
	return tokens <= vecTokens && vecMemory(tokens, w) <= vecShared
}

// ownRounding says that every block of matvec should round activations for itself.
func ownRounding(tokens, k int) bool { return atOnce(tokens)*k <= vecOwn }

// matvec multiplies up to 8 tokens: one launch for all weights, or where there are many
// activations one that rounds them, and then one each for weights in blocks and others.
func (p *plan) matvec(x activations, ws []weight, mode int, residual buffer, ys []buffer) {
	plain, plainTo, blocks, blocksTo := divide(ws, ys, weight.plain)
	switch {
	case len(blocks) == 0 || ownRounding(x.tokens, x.k):
		p.matvecOf([]activations{x}, false, ws, mode, residual, ys)
		return
	case len(plain) > 0:
		p.matvecOf([]activations{x}, false, plain, mode, residual, plainTo)
	}
	once := activations{at: p.rounded(x, atOnce(x.tokens)), tokens: x.tokens}
	p.matvecOf([]activations{once}, true, blocks, mode, residual, blocksTo)
}

// divide parts weights, and results as far as there are, into those that are so and
// the others.
func divide(ws []weight, ys []buffer, is func(w weight) bool) (a []weight, ya []buffer, b []weight, yb []buffer) {
	for i, w := range ws {
		to, yto := &b, &yb
		if is(w) {
			to, yto = &a, &ya
		}
		*to = append(*to, w)
		if i < len(ys) {
			*yto = append(*yto, ys[i])
		}
	}
	return a, ya, b, yb
}

// matvecOf launches for up to 8 weights at a time. With two values, weight i reads
// xs[i]. rounded says that the value is activations as weights in blocks want them.
func (p *plan) matvecOf(xs []activations, rounded bool, ws []weight, mode int, residual buffer, ys []buffer) {
	for ; len(ws) > vecWeights; ws, ys = ws[vecWeights:], ys[vecWeights:] {
		p.matvecOf(xs, rounded, ws[:vecWeights], mode, residual, ys[:vecWeights])
	}
	x := xs[0]
	params := matvecParams{Tokens: uint32(x.tokens), Weights: uint32(len(ws)), Mode: uint32(mode), Eps: x.eps}
	if rounded {
		params.Rounded = 1
	}
	buffers := make([]buffer, 4+2*vecWeights)
	buffers[0], buffers[2], buffers[3] = x.at, x.norm, residual
	if len(xs) > 1 {
		params.Pair, buffers[1] = 1, xs[1].at
	}
	for i, w := range ws {
		buffers[4+i] = w.at
	}
	if mode == gateProducts {
		params.Weights, ws = 1, ws[:1] // a row of each is one job
	}
	bytes, shared, first := 0, 0, 0
	for _, w := range ws {
		bytes += w.rows * w.rowBytes()
		shared = max(shared, vecMemory(x.tokens, w))
	}
	for i, w := range ws {
		buffers[4+vecWeights+i] = ys[i]
		params.K[i], params.Type[i], params.Rows[i], params.RowBytes[i] = uint32(w.k), uint32(w.dt), uint32(w.rows), uint32(w.rowBytes())
		jobs := lower.Ceil(w.rows, 2)
		if mode == gateProducts {
			jobs = w.rows
		}
		params.First[i] = uint32(first)
		first += min(lower.Ceil(jobs, vecWarps), 1+(vecBlocks-vecWeights)*w.rows*w.rowBytes()/bytes)
	}
	params.First[len(ws)] = uint32(first)
	p.launchShared(shared, fmt.Sprintf("matvec_%d", atOnce(x.tokens)), line(first), line(32*vecWarps), params, buffers...)
}

type roundParams struct {
	K, Tokens uint32
	Eps       float32
}

// rounded launches the rounding of activations; tokens that there are not are zeros.
func (p *plan) rounded(x activations, tokens int) buffer {
	y := p.scratch(int64(tokens) * int64(tokenBytes(x.k)))
	p.launch("round_activations", line(tokens), line(256), roundParams{uint32(x.k), uint32(x.tokens), x.eps}, x.at, x.norm, y)
	return y
}
