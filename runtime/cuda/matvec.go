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
	// vecShared leaves room for two blocks' shared memory on a multiprocessor of 164 KB,
	// the least a card with such kernels and room for decoding has.
	vecShared = 80 << 10
	// vecOwn is how many activations every block rounds for itself. More take longer to
	// read than another launch takes that rounds them once.
	vecOwn = 16384
)

// matvecParams is MatvecParams of the device.
type matvecParams struct {
	K, Tokens, Weights, Mode, Rounded uint32
	Eps                               float32
	Type, Rows, RowBytes              [vecWeights]uint32
	First                             [vecWeights + 1]uint32
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

// vecMemory is the shared memory of a block for such weights.
func vecMemory(x activations, ws []weight) int {
	acts, ring := 0, 0
	for _, w := range ws {
		if w.plain() {
			acts = max(acts, 4*lower.Ceil(x.k, 4)*4)
		} else {
			acts, ring = max(acts, tokenBytes(x.k)), vecWarps*vecRing
		}
	}
	return atOnce(x.tokens)*acts + ring
}

// fewTokens says that matvec can and should do it.
func (p *plan) fewTokens(x activations, ws []weight) bool {
	return x.tokens <= vecTokens && vecMemory(x, ws) <= vecShared
}

// matvec multiplies up to 8 tokens: one launch for all weights, and one before it
// where there are many activations to be rounded.
func (p *plan) matvec(x activations, ws []weight, mode int, residual buffer, ys []buffer) {
	if atOnce(x.tokens)*x.k > vecOwn {
		var blocks, plain []weight
		var blocksTo, plainTo []buffer
		for i, w := range ws {
			y := ys[min(i, len(ys)-1)]
			if w.plain() {
				plain, plainTo = append(plain, w), append(plainTo, y)
			} else {
				blocks, blocksTo = append(blocks, w), append(blocksTo, y)
			}
		}
		if len(blocks) > 0 {
			p.matvecOf(x, p.rounded(x, atOnce(x.tokens)), blocks, mode, residual, blocksTo)
		}
		ws, ys = plain, plainTo
	}
	if len(ws) > 0 {
		p.matvecOf(x, null, ws, mode, residual, ys)
	}
}

// matvecOf launches for up to 8 weights at a time. rounded is the activations as the
// blocks' kernels want them, or null.
func (p *plan) matvecOf(x activations, rounded buffer, ws []weight, mode int, residual buffer, ys []buffer) {
	for ; len(ws) > vecWeights; ws, ys = ws[vecWeights:], ys[vecWeights:] {
		p.matvecOf(x, rounded, ws[:vecWeights], mode, residual, ys[:vecWeights])
	}
	params := matvecParams{K: uint32(x.k), Tokens: uint32(x.tokens), Weights: uint32(len(ws)), Mode: uint32(mode), Eps: x.eps}
	at, norm := x.at, x.norm
	if rounded != null {
		params.Rounded, at, norm = 1, rounded, null
	}
	if mode == gateProducts {
		params.Weights = 1 // rows of both are one job
	}
	bytes := 0
	for _, w := range ws[:params.Weights] {
		bytes += w.rows * w.rowBytes()
	}
	buffers := make([]buffer, 3+2*vecWeights)
	buffers[0], buffers[1], buffers[2] = at, norm, residual
	for i, w := range ws {
		buffers[3+i] = w.at
	}
	first := 0
	for i, w := range ws[:params.Weights] {
		buffers[3+vecWeights+i] = ys[i]
		params.Type[i], params.Rows[i], params.RowBytes[i] = uint32(w.dt), uint32(w.rows), uint32(w.rowBytes())
		jobs := lower.Ceil(w.rows, 2)
		if mode == gateProducts {
			jobs = w.rows
		}
		params.First[i] = uint32(first)
		first += min(lower.Ceil(jobs, vecWarps), max(1, vecBlocks*w.rows*w.rowBytes()/bytes))
	}
	params.First[params.Weights] = uint32(first)
	p.launchShared(vecMemory(x, ws), fmt.Sprintf("matvec_%d", atOnce(x.tokens)), line(first), line(32*vecWarps), params, buffers...)
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
