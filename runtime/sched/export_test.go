package sched

// Known returns the number of graphs that the cache has seen and that still
// live.
func (c *PlanCache) Known() int {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return len(c.known)
}
