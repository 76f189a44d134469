package cuda

import (
	"fmt"
	"math"

	"github.com/deltaloom/deltaloom/runtime/lower"
	"github.com/deltaloom/deltaloom/runtime/sched"
)

// Sampling says how tokens are picked on the card; its fields mean what those of
// package sample's Options do. The zero value takes the likeliest token.
type Sampling struct {
	Temperature, TopP, MinP float64
	TopK                    int
}

// Sizes of runtime/kernels/sample.cu.
const (
	sampleKeys = 4096 // that a block looks at
	mostDrawn  = 1024
)

type (
	largestParams struct{ N, K uint32 }
	tokenParams   struct{ Rows uint32 }
	drawParams    struct {
		K                       uint32
		_                       uint32
		TopP, MinP, Temperature uint64
	}
)

// Sampler compiles the picking of a token from each of rows of n logits. Storages of
// its bindings are logits f32 [rows n], random numbers u64 [rows] and tokens i32
// [rows]; a token is -1 where no logit is a finite number. With the numbers of the
// host's generator, tokens are those that package sample picks. That needs TopK where
// there is a Temperature: sums over a whole vocabulary are made in another order here,
// and the error wraps errors.ErrUnsupported. Nothing reads the numbers where there is
// none.
func (b *Backend) Sampler(rows, n int, s Sampling) (sched.Executable, error) {
	p := &plan{call: &sched.Call{In: []sched.Arg{{Storage: 0}, {Storage: 1}}, Out: []sched.Arg{{Storage: 2}}}}
	if err := p.sample(rows, n, s); err != nil {
		return nil, fmt.Errorf("cuda: sampler of %d rows of %d: %w", rows, n, err)
	}
	return b.link([]*plan{p})
}

func (p *plan) sample(rows, n int, s Sampling) error {
	k := min(s.TopK, n)
	switch {
	case rows < 1 || n < 1 || rows > 65535:
		return unsupported("no such logits")
	case s.Temperature == 0:
		k = 1
	case k < 1 || k > mostDrawn:
		return unsupported("TopK %d, want 1 to %d", s.TopK, mostDrawn)
	}
	if err := small(n); err != nil {
		return err
	}
	kernel, from := "largest_logits", p.in(0)
	for {
		parts := lower.Ceil(n, sampleKeys)
		to := p.scratch(8 * int64(rows) * int64(parts) * int64(k))
		p.launch(kernel, dim{parts, rows, 1}, line(threads), largestParams{uint32(n), uint32(k)}, from, to)
		kernel, from, n = "largest_keys", to, parts*k
		if parts == 1 {
			break
		}
	}
	if s.Temperature == 0 {
		p.launch("key_token", along(rows), line(threads), tokenParams{uint32(rows)}, from, p.out(0))
		return nil
	}
	p.launch("draw_token", line(rows), line(threads), drawParams{K: uint32(k), TopP: math.Float64bits(s.TopP),
		MinP: math.Float64bits(s.MinP), Temperature: math.Float64bits(s.Temperature)}, from, p.in(1), p.out(0))
	return nil
}
