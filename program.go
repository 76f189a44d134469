package deltaloom

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/deltaloom/deltaloom/fuse"
	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/models"
)

// Program is the graph of one size of step, ready to be run.
type Program struct {
	Step   models.Step
	Graph  *graph.Graph // fused, unless the model is run unfused
	Report *fuse.Report // without rules where the model is run unfused
	// Launches is what sched.Plan.Launches says, once the program has been run.
	Launches int

	planned sync.Once
}

// Program returns the graph for steps of that size and what fusing it did. It is
// made once, and kept while its size is among those used last; zero fields of the
// step stand for the defaults of models.Step.
func (m *Model) Program(step models.Step) (*Program, error) {
	m.mu.Lock()
	get, ok := m.programs.get(step)
	if !ok {
		get = sync.OnceValues(func() (*Program, error) { return m.build(step) })
		m.programs.add(step, get)
	}
	m.mu.Unlock()
	return get()
}

// used keeps the program of a step that is run, if it is there still.
func (m *Model) used(step models.Step) {
	m.mu.Lock()
	m.programs.get(step)
	m.mu.Unlock()
}

// Programs returns the programs that are kept, the one used last at the end.
func (m *Model) Programs() []*Program {
	m.mu.Lock()
	entries := slices.Clone(m.programs.list)
	m.mu.Unlock()
	var list []*Program
	for _, e := range entries {
		if p, err := e.value(); err == nil {
			list = append(list, p)
		}
	}
	return list
}

func (m *Model) build(step models.Step) (*Program, error) {
	start := time.Now()
	g, err := models.Build(m.config, step)
	if err != nil {
		return nil, err
	}
	built := time.Since(start)
	p := &Program{Step: step, Graph: g}
	if m.options.Unfused {
		s := g.Stats()
		p.Report = &fuse.Report{Before: s, After: s}
	} else if p.Graph, p.Report, err = fuse.Run(g, m.options.Fuse); err != nil {
		return nil, fmt.Errorf("step %+v: %w", step, err)
	}
	for _, d := range p.Report.Decomposed {
		m.options.Log.Info("taken apart again", "node", d.Node, "times", d.Count, "reason", d.Reason)
	}
	m.options.Log.Debug("graph", "seqs", step.Seqs, "tokens", step.Tokens, "kv", step.KV,
		"build", built, "fuse", time.Duration(p.Report.Seconds*float64(time.Second)), "compute nodes", p.Report.After.Compute)
	return p, nil
}
