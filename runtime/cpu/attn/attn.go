// Package attn is causal attention to a cache of keys and values: grouped queries
// (several query heads read one key head) and the latent form, in which the values
// are the first elements of the keys and all heads share them.
//
// A query meets the positions in tiles of 64 from position 0 on, by the online
// softmax, and in chunks of 256, whose results are merged in order. All of its
// products add in one order. So a token's output has the same bits whatever
// tokens stand beside it and however the work is split.
//
// Few queries read the cache where it lies, all heads of a position together, at
// the speed of memory. For many, a tile of one head is opened first: unpacked to F32.
package attn

import (
	"errors"
	"fmt"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/runtime/cpu/isa"
	"github.com/deltaloom/deltaloom/runtime/cpu/vec"
)

//go:generate go -C ../gen run ./attn ../attn

const (
	tile      = 64             // positions that meet the softmax at once
	chunk     = 256            // positions that Part takes
	scores    = 4 * (tile + 3) // of four queries in a tile, and what is written past them
	blockRows = 128            // queries (tokens times heads of a group) of a unit at most
	fewRows   = 8              // queries of a head that read the cache where it lies
	rowsAhead = 8              // positions on that the kernels for them ask for
	maxDim    = 4096           // elements of a key
)

// Rows says where the vector of a head lies: in Data from b·Seq + t·Token + h·Head.
type Rows struct {
	Data             []float32
	Seq, Token, Head int
}

func (r Rows) at(b, t, h int) int { return b*r.Seq + t*r.Token + h*r.Head }

// check wants n elements for every head.
func (r Rows) check(B, T, H, n int) error {
	if r.Seq < 0 || r.Token < 0 || r.Head < 0 || n < 0 {
		return fmt.Errorf("strides %d, %d, %d of %d elements", r.Seq, r.Token, r.Head, n)
	}
	if need := r.at(B-1, T-1, H-1) + n; len(r.Data) < need {
		return fmt.Errorf("%d elements, want %d", len(r.Data), need)
	}
	return nil
}

// Call is the attention of B sequences of T tokens in one layer.
//
//	o[b t h] = Σ_j softmax_j(Scale · q[b t h] · k[j, h div (H/G)]) v[j, h div (H/G)],   j ≤ Pos[b t], j < Len
//
// over the rows of slot Slots[b]. A token at a negative position gets 0.
type Call struct {
	B, T    int
	H, G    int         // heads of queries and of keys; G divides H
	K, V    int         // elements of a key and of a value, multiples of 16
	P, C    int         // slots of the pools, positions of a slot
	Cache   graph.DType // of the pools: F32 or F16
	Len     int         // positions that are read at most, ≤ C
	Scale   float32     // of the products
	Latent  bool        // the values are the first V elements of the keys
	Q       []Rows      // parts of a query, one after the other
	Parts   []int       // elements of each part, multiples of 16 that sum to K
	Keys    []byte      // [P C G K]
	Values  []byte      // [P C G V], nil if Latent
	Slots   []int32     // [B]
	Pos     []int32     // [B T] positions, PosStep apart
	PosStep int
	Out     Rows // of V elements
}

// Check tells whether all that the call reads and writes exists.
func (c *Call) Check() error {
	switch {
	case c.B < 1 || c.T < 1 || c.G < 1 || c.H < 1 || c.H%c.G != 0:
		return fmt.Errorf("attention of [B %d T %d], %d heads in %d groups", c.B, c.T, c.H, c.G)
	case Takes(c.H/c.G, c.K, c.V) != nil:
		return Takes(c.H/c.G, c.K, c.V)
	case c.Latent && c.V > c.K:
		return fmt.Errorf("keys of %d elements and values of %d: %w", c.K, c.V, errors.ErrUnsupported)
	case c.P < 1 || c.C < 1 || c.Len < 0 || c.Len > c.C:
		return fmt.Errorf("%d positions in %d slots of %d", c.Len, c.P, c.C)
	case c.Cache != graph.F32 && c.Cache != graph.F16:
		return fmt.Errorf("a cache of %v: %w", c.Cache, errors.ErrUnsupported)
	case !c.holds(c.Keys, c.K) || !c.Latent && !c.holds(c.Values, c.V):
		return fmt.Errorf("pools of %d and %d bytes, want [%d %d %d] of %d and %d elements of %v",
			len(c.Keys), len(c.Values), c.P, c.C, c.G, c.K, c.V, c.Cache)
	case len(c.Slots) < c.B:
		return fmt.Errorf("%d slots for %d sequences", len(c.Slots), c.B)
	case c.PosStep < 1 || len(c.Pos) < (c.B*c.T-1)*c.PosStep+1:
		return fmt.Errorf("%d positions for %d tokens", len(c.Pos), c.B*c.T)
	case len(c.Q) == 0 || len(c.Q) != len(c.Parts):
		return fmt.Errorf("queries of %d parts and %d lengths", len(c.Q), len(c.Parts))
	}
	sum := 0
	for i, q := range c.Q {
		n := c.Parts[i]
		if n < 0 || n%16 != 0 {
			return fmt.Errorf("part of %d elements: %w", n, errors.ErrUnsupported)
		}
		if err := q.check(c.B, c.T, c.H, n); err != nil {
			return fmt.Errorf("queries: %w", err)
		}
		sum += n
	}
	if sum != c.K {
		return fmt.Errorf("queries of %d elements to keys of %d", sum, c.K)
	}
	if err := c.Out.check(c.B, c.T, c.H, c.V); err != nil {
		return fmt.Errorf("output: %w", err)
	}
	for _, s := range c.Slots[:c.B] {
		if s < 0 || int(s) >= c.P {
			return fmt.Errorf("slot %d of %d", s, c.P)
		}
	}
	return nil
}

// holds tells whether a pool has room for n elements a position and head.
func (c *Call) holds(pool []byte, n int) bool {
	return len(pool)/c.P/c.C/c.G >= int(c.Cache.Bytes(n))
}

// Takes returns nil where the package has kernels for so many query heads to a key
// head and keys and values of these sizes; the error wraps errors.ErrUnsupported.
func Takes(heads int, sizes ...int) error {
	if heads > blockRows {
		return fmt.Errorf("%d query heads to a key head: %w", heads, errors.ErrUnsupported)
	}
	for _, n := range sizes {
		if n < 16 || n%16 != 0 || n > maxDim {
			return fmt.Errorf("heads of %d elements, want a multiple of 16 up to %d: %w", n, maxDim, errors.ErrUnsupported)
		}
	}
	return nil
}

// Units is the number of pieces of work that may run at once: for every sequence
// and key head, or all of them where queries are few, blocks of tokens. The last
// blocks of a prompt read the most.
func (c *Call) Units() int { return c.B * c.G / c.heads() * c.blocks() }

// Chunks is the number of pieces that Part may split a unit into.
func (c *Call) Chunks() int { return (c.Len + chunk - 1) / chunk }

// ChunksSeen is how many of them, the first ones, hold a position that a token sees.
func (c *Call) ChunksSeen() int {
	end := 0
	for i := range c.B * c.T {
		end = max(end, min(int(c.Pos[i*c.PosStep])+1, c.Len))
	}
	return (end + chunk - 1) / chunk
}

// Scratch is the number of float32 that Run and Part work in.
func (c *Call) Scratch() int {
	n := c.rows()*c.K + c.held()*(scores+4) + tile*c.K + 2*c.Partial()
	if !c.Latent {
		n += tile * c.V
	}
	return n
}

// Partial is the number of float32 that Part leaves.
func (c *Call) Partial() int { return c.rows() * (c.V + 2) }

// few reports that queries are few enough to read the cache where it lies.
func (c *Call) few() bool { return c.T*c.H/c.G <= fewRows }

// heads is the number of key heads of a unit.
func (c *Call) heads() int {
	if c.few() {
		return c.G
	}
	return 1
}

// tokens is the number of tokens of a unit.
func (c *Call) tokens() int { return min(c.T, max(1, blockRows*c.G/c.H)) }

func (c *Call) blocks() int { return (c.T + c.tokens() - 1) / c.tokens() }

// headRows is the number of queries of a unit to a key head, filled up to whole
// fours, and rows to all of its heads.
func (c *Call) headRows() int { return (c.tokens()*(c.H/c.G) + 3) &^ 3 }
func (c *Call) rows() int     { return c.heads() * c.headRows() }

// held is the number of fours of queries whose scores are held at once.
func (c *Call) held() int {
	if c.few() {
		return c.rows() / 4
	}
	return 1
}

// Kernels compute attention with one instruction set.
type Kernels struct {
	open     reader // of an open tile, which is in a cache of the processor
	f32, f16 reader // of a cache where it lies; some sets have none
	values1  func(o, s, c *float32, v *byte, n, d, stride int)
	softmax  func(s *float32, n int, m, l, c *float32)
	vec      *vec.Funcs
}

// reader are the kernels that read keys and values, for four queries.
type reader struct {
	scores func(s, q *float32, k *byte, n, d, stride int)
	values func(o, s, c *float32, v *byte, n, d, stride int)
}

// cache returns the kernels for a cache where it lies.
func (k *Kernels) cache(t graph.DType) reader {
	if t == graph.F16 {
		return k.f16
	}
	return k.f32
}

// For returns the kernels for a set that this processor has.
func For(set isa.Set) *Kernels {
	k := sets[set]
	k.vec = vec.For(set)
	return &k
}
