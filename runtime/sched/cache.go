package sched

import (
	"errors"
	"runtime"
	"sync"
	"weak"

	"golang.org/x/sync/singleflight"

	"github.com/deltaloom/deltaloom/graph"
)

// PlanCache keeps the plans of graphs for one list of backends. Graphs of equal
// fingerprint share a plan, and callers who ask for it at once wait for one
// compilation.
type PlanCache struct {
	spaces *spaces
	flight singleflight.Group

	mu    sync.RWMutex
	plans map[string]*Plan
	// known spares a graph that was seen before the fingerprint, and does not
	// keep it alive.
	known map[weak.Pointer[graph.Graph]]*Plan
}

// NewPlanCache returns an empty cache; the first backend is the most wanted one.
func NewPlanCache(backends ...Backend) (*PlanCache, error) {
	sp, err := newSpaces(backends)
	if err != nil {
		return nil, err
	}
	return &PlanCache{spaces: sp, plans: map[string]*Plan{}, known: map[weak.Pointer[graph.Graph]]*Plan{}}, nil
}

// Get returns the plan of g and compiles it at the first call. An error is not
// kept. The plan belongs to the cache.
func (c *PlanCache) Get(g *graph.Graph) (*Plan, error) {
	w := weak.Make(g)
	c.mu.RLock()
	p := c.known[w]
	c.mu.RUnlock()
	if p != nil {
		return p, nil
	}
	key := planKey(g, c.spaces.backends)
	v, err, _ := c.flight.Do(key, func() (any, error) {
		c.mu.RLock()
		p := c.plans[key]
		c.mu.RUnlock()
		if p != nil {
			return p, nil
		}
		p, err := newPlan(g, c.spaces, key)
		if err != nil {
			return nil, err
		}
		c.mu.Lock()
		c.plans[key] = p
		c.mu.Unlock()
		return p, nil
	})
	if err != nil {
		return nil, err
	}
	p = v.(*Plan)
	c.mu.Lock()
	_, had := c.known[w]
	c.known[w] = p
	c.mu.Unlock()
	if !had {
		runtime.AddCleanup(g, c.forget, w)
	}
	return p, nil
}

func (c *PlanCache) forget(w weak.Pointer[graph.Graph]) {
	c.mu.Lock()
	delete(c.known, w)
	c.mu.Unlock()
}

// Close releases the plans, which must not be running.
func (c *PlanCache) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var errs []error
	for _, p := range c.plans {
		errs = append(errs, p.Close())
	}
	clear(c.plans)
	clear(c.known)
	return errors.Join(errs...)
}
