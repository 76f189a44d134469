package sched

import (
	"errors"
	"maps"
	"runtime"
	"slices"
	"sync"
	"weak"

	"golang.org/x/sync/singleflight"

	"github.com/deltaloom/deltaloom/graph"
)

// maxIdle is how many plans that nobody uses a cache keeps.
const maxIdle = 32

// PlanCache keeps the plans of graphs for one list of backends. Graphs of equal
// fingerprint share a plan, and callers who ask for it at once wait for one
// compilation. Of the plans that nobody uses, those used last are kept.
type PlanCache struct {
	spaces *spaces
	flight singleflight.Group

	mu    sync.Mutex
	plans map[string]*Plan
	idle  []*Plan // the plans without users, in the order in which they lost the last one
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

// Get returns the plan of g for use until Release, and compiles it at the first
// call. An error is not kept.
func (c *PlanCache) Get(g *graph.Graph) (*Plan, error) {
	w := weak.Make(g)
	c.mu.Lock()
	p := c.known[w]
	if p != nil {
		c.use(p)
	}
	c.mu.Unlock()
	if p != nil {
		return p, nil
	}
	key := planKey(g, c.spaces.backends)
	for {
		v, err, _ := c.flight.Do(key, func() (any, error) { return c.compile(g, key) })
		if err != nil {
			return nil, err
		}
		if p := v.(*Plan); c.learn(w, p) {
			runtime.AddCleanup(g, c.forget, w)
			return p, nil
		}
	}
}

// compile returns the plan that is there, or a new one.
func (c *PlanCache) compile(g *graph.Graph, key string) (*Plan, error) {
	c.mu.Lock()
	p := c.plans[key]
	c.mu.Unlock()
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
}

// learn adds a user to p, which is the plan of the graph behind w. It returns
// false where p has been dropped since it was found.
func (c *PlanCache) learn(w weak.Pointer[graph.Graph], p *Plan) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.plans[p.Key] != p {
		return false
	}
	c.known[w] = p
	c.use(p)
	return true
}

func (c *PlanCache) use(p *Plan) {
	if p.users++; p.users == 1 {
		c.idle = slices.DeleteFunc(c.idle, func(q *Plan) bool { return q == p })
	}
}

// Release ends one use of a plan.
func (c *PlanCache) Release(p *Plan) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p.users--; p.users > 0 || c.plans[p.Key] != p { // the cache has been closed
		return nil
	}
	if c.idle = append(c.idle, p); len(c.idle) <= maxIdle {
		return nil
	}
	old := c.idle[0]
	c.idle = slices.Delete(c.idle, 0, 1)
	delete(c.plans, old.Key)
	maps.DeleteFunc(c.known, func(_ weak.Pointer[graph.Graph], q *Plan) bool { return q == old })
	return old.Close()
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
	c.idle = nil
	return errors.Join(errs...)
}
