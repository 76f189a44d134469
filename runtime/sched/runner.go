package sched

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"strconv"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/deltaloom/deltaloom/graph"
)

// Weights gives the tensors of a model by name. Tensor may be called
// concurrently; the memory must stay as it is until the Runner is closed: host
// backends use it in place.
type Weights interface {
	Tensor(name string) (graph.Tensor, error)
}

// Tensors is a Weights in memory.
type Tensors map[string]graph.Tensor

// Tensor returns the tensor of that name.
func (t Tensors) Tensor(name string) (graph.Tensor, error) {
	w, ok := t[name]
	if !ok {
		return w, errors.New("no such tensor")
	}
	return w, nil
}

// Runner holds what all sessions share: the backends, the plans, and weights
// with everything computed from weights alone, loaded once for all plans.
type Runner struct {
	plans   *PlanCache
	spaces  *spaces
	weights Weights

	loading  sync.Mutex // one plan is loaded at a time
	resident map[Storage]Span
}

// NewRunner returns a runner that places nodes on the first backend that
// supports them. weights may be nil for graphs without any. The backends stay
// the caller's to close, after the runner.
func NewRunner(weights Weights, backends ...Backend) (*Runner, error) {
	plans, err := NewPlanCache(backends...)
	if err != nil {
		return nil, err
	}
	if weights == nil {
		weights = Tensors{}
	}
	return &Runner{plans: plans, spaces: plans.spaces, weights: weights, resident: map[Storage]Span{}}, nil
}

// Load compiles g and loads its weights, which the first run would do
// otherwise. The plan is for looking at.
func (r *Runner) Load(ctx context.Context, g *graph.Graph) (*Plan, error) {
	p, err := r.load(ctx, g)
	if err != nil {
		return nil, err
	}
	return p, r.plans.Release(p)
}

// Close releases plans and weights. All sessions must have been closed.
func (r *Runner) Close() error {
	r.loading.Lock()
	defer r.loading.Unlock()
	for _, s := range r.resident {
		s.Buf.Free()
	}
	clear(r.resident)
	return r.plans.Close()
}

// Resident returns the bytes that are loaded beside the weights where Weights has
// them: constants, values computed from weights alone, copies on devices.
func (r *Runner) Resident() (bytes int64) {
	r.loading.Lock()
	defer r.loading.Unlock()
	for st, s := range r.resident {
		if st.Kind != WeightStorage || st.Space != host {
			bytes += s.Len
		}
	}
	return bytes
}

// load returns the plan of g, in use until it is released, with what does not
// change from run to run loaded and bound.
func (r *Runner) load(ctx context.Context, g *graph.Graph) (*Plan, error) {
	p, err := r.plans.Get(g)
	if err != nil {
		return nil, err
	}
	if p.fixed.Load() != nil {
		return p, nil
	}
	r.loading.Lock()
	defer r.loading.Unlock()
	if p.fixed.Load() != nil {
		return p, nil
	}
	err = r.loadResidents(ctx, p.Storages, r.resident)
	if err == nil {
		err = r.loadStatics(ctx, p)
	}
	if err != nil {
		return nil, errors.Join(err, r.plans.Release(p))
	}
	b := bindResidents(p, r.resident)
	p.fixed.Store(&b)
	return p, nil
}

// loadResidents brings the weights and constants among the storages, several at
// a time, to where they are read, and adds them to the table.
func (r *Runner) loadResidents(ctx context.Context, list []Storage, table map[Storage]Span) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	var mu sync.Mutex
	for _, st := range list {
		if st.Kind != WeightStorage && st.Kind != ConstStorage {
			continue
		}
		mu.Lock()
		_, have := table[st]
		mu.Unlock()
		if have {
			continue
		}
		group.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			s, err := r.fetch(st)
			if err != nil {
				return err
			}
			mu.Lock()
			table[st] = s
			mu.Unlock()
			return nil
		})
	}
	return group.Wait()
}

// fetch returns the memory of a weight or constant.
func (r *Runner) fetch(st Storage) (Span, error) {
	t, err := r.value(st)
	if err != nil {
		return Span{}, fmt.Errorf("%v %q: %w", st.Kind, st.Name, err)
	}
	src := whole(HostOf(t))
	if st.Space == host {
		return src, nil
	}
	dst, err := r.spaces.alloc(st.Space, st.Bytes)
	if err == nil {
		if err = r.spaces.copy(dst, st.Space, src, host); err != nil {
			dst.Buf.Free()
		}
	}
	if err != nil {
		return Span{}, fmt.Errorf("%v %q: %w", st.Kind, st.Name, err)
	}
	return dst, nil
}

func (r *Runner) value(st Storage) (graph.Tensor, error) {
	if st.Kind == ConstStorage {
		x, err := strconv.ParseFloat(st.Name, 32)
		return graph.Tensor{Shape: st.Shape, F: []float32{float32(x)}}, err
	}
	t, err := r.weights.Tensor(st.Name)
	if err == nil {
		err = fits(t, st.Shape)
	}
	return t, err
}

// fits checks a tensor that is to be bound.
func fits(t graph.Tensor, want graph.Shape) error {
	if t.Shape != want {
		return fmt.Errorf("have %v, want %v", t.Shape, want)
	}
	return t.Check()
}

// loadStatics computes what p needs of weights alone and is not there yet.
func (r *Runner) loadStatics(ctx context.Context, p *Plan) (err error) {
	var missing []static
	for _, s := range p.statics {
		if _, have := r.resident[p.Storages[s.storage]]; !have {
			missing = append(missing, s)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	in := func(s static) int { return p.Storages[s.storage].Space }
	lp, err := loadPlan(missing, in, r.spaces)
	if err != nil {
		return fmt.Errorf("load: %w", err)
	}
	defer func() { err = errors.Join(err, lp.Close()) }()
	// Weights that no run reads go again.
	table := maps.Clone(r.resident)
	defer func() {
		for st, s := range table {
			if _, keep := r.resident[st]; !keep {
				s.Buf.Free()
			}
		}
	}()
	if err := r.loadResidents(ctx, lp.Storages, table); err != nil {
		return err
	}
	b := bindResidents(lp, table)
	results := map[Storage]Span{}
	for i, st := range lp.Storages {
		if st.Bytes == 0 || st.Kind != OutputStorage && st.Kind != ArenaStorage {
			continue
		}
		if b[i], err = r.spaces.alloc(st.Space, st.Bytes); err != nil {
			break
		}
		if st.Kind == ArenaStorage {
			defer b[i].Buf.Free()
		} else {
			results[st] = b[i]
		}
	}
	if err == nil {
		err = lp.run(ctx, b, nil, nil)
	}
	for st, s := range results {
		if err != nil {
			s.Buf.Free()
			continue
		}
		st.Kind = StaticStorage
		r.resident[st] = s
	}
	if err != nil {
		return fmt.Errorf("load: %w", err)
	}
	return nil
}

// bindResidents binds what the table has of the plan's storages.
func bindResidents(p *Plan, table map[Storage]Span) Bindings {
	b := make(Bindings, len(p.Storages))
	for i, st := range p.Storages {
		b[i] = table[st]
	}
	return b
}
