package sched

// MaxIdle is how many plans without users a runner keeps.
const MaxIdle = maxIdle

// Known returns the number of graphs that the cache has seen and that still
// live.
func (c *PlanCache) Known() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.known)
}

// Plans returns the number of plans that the runner keeps.
func (r *Runner) Plans() int {
	r.plans.mu.Lock()
	defer r.plans.mu.Unlock()
	return len(r.plans.plans)
}
