package sched

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/deltaloom/deltaloom/graph"
)

// Plan is everything about running a graph that does not change from run to
// run. It may be used by any number of runs at once.
type Plan struct {
	Key      string // the graph's fingerprint and the names of the backends
	Storages []Storage
	Steps    []Step
	// Notes tell which nodes were decomposed, and why.
	Notes []string

	spaces  *spaces
	statics []static

	users int                      // counted by the cache that holds the plan
	fixed atomic.Pointer[Bindings] // what the runner has bound for all sessions
}

// Step runs a partition or, where Run is nil, copies Src to Dst.
type Step struct {
	Run      *Partition
	Dst, Src Arg

	exec Executable
	by   Backend
}

// Launches returns how often one run launches something on a device or lets
// threads wait for each other; 0 for backends that do not count.
func (p *Plan) Launches() int {
	n := 0
	for _, s := range p.Steps {
		if l, ok := s.exec.(Launcher); ok {
			n += l.Launches()
		}
	}
	return n
}

// NewPlan places, orders and lays out g and compiles it for the backends, the
// most wanted one first. Close releases what the backends compiled.
func NewPlan(g *graph.Graph, backends ...Backend) (*Plan, error) {
	sp, err := newSpaces(backends)
	if err != nil {
		return nil, err
	}
	return newPlan(g, sp, planKey(g, backends))
}

func planKey(g *graph.Graph, backends []Backend) string {
	key := g.Fingerprint()
	for _, b := range backends {
		key += " " + b.Name()
	}
	return key
}

func newPlan(g *graph.Graph, sp *spaces, key string) (*Plan, error) {
	placed, err := place(g, sp.backends)
	if err != nil {
		return nil, err
	}
	p := &planner{placed: placed, sp: sp}
	for _, o := range placed.g.Outputs() {
		p.sinks = append(p.sinks, sink{o.Name, o.Value, host})
	}
	return p.compile(key)
}

// loadPlan computes static values into the spaces where they are wanted; the
// outputs are named by their keys.
func loadPlan(wanted []static, in func(static) int, sp *spaces) (*Plan, error) {
	var outputs []graph.Output
	spacesOf := map[string][]int{}
	for _, s := range wanted {
		if spacesOf[s.key] == nil {
			outputs = append(outputs, graph.Output{Name: s.key, Value: s.value})
		}
		spacesOf[s.key] = append(spacesOf[s.key], in(s))
	}
	g, err := staticGraph(outputs)
	if err != nil {
		return nil, err
	}
	placed, err := place(g, sp.backends)
	if err != nil {
		return nil, err
	}
	p := &planner{placed: placed, sp: sp, loading: true}
	for _, o := range placed.g.Outputs() {
		for _, space := range spacesOf[o.Name] {
			p.sinks = append(p.sinks, sink{o.Name, o.Value, space})
		}
	}
	return p.compile("")
}

// compile makes the plan and has the backends compile its partitions side by
// side.
func (p *planner) compile(key string) (*Plan, error) {
	if err := p.plan(); err != nil {
		return nil, err
	}
	plan := &Plan{Key: key, Storages: p.storage.list, Steps: p.steps(), Notes: p.notes, spaces: p.sp, statics: p.statics}
	var group errgroup.Group
	for i := range plan.Steps {
		step := &plan.Steps[i]
		if step.Run == nil {
			continue
		}
		group.Go(func() (err error) {
			if step.exec, err = step.by.Compile(step.Run); err != nil {
				return fmt.Errorf("%s: compile: %w", step.by.Name(), err)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, errors.Join(err, plan.Close())
	}
	return plan, nil
}

// steps writes the items down, neighbours on one backend as one partition.
func (p *planner) steps() []Step {
	var steps []Step
	current := -1 // the backend of the partition at the end of steps
	for _, it := range p.items {
		if it.node == nil {
			steps = append(steps, Step{Dst: p.arg(it.value, it.to), Src: p.arg(it.value, it.from)})
			current = -1
			continue
		}
		at := p.at[it.node.ID()]
		if at != current {
			b := p.sp.backends[at]
			steps = append(steps, Step{Run: &Partition{Backend: b.Name()}, by: b})
			current = at
		}
		part := steps[len(steps)-1].Run
		part.Calls = append(part.Calls, p.call(it.node))
	}
	for _, s := range steps {
		if s.Run != nil {
			s.Run.Uses = s.Run.uses()
		}
	}
	for _, m := range p.moves {
		steps = append(steps, Step{
			Dst: Arg{Storage: m.dst.storage, Off: m.dst.at(), Shape: m.shape},
			Src: Arg{Storage: m.src.storage, Off: m.src.at() + m.off, Shape: m.shape},
		})
	}
	return steps
}

func (p *planner) call(n *graph.Node) Call {
	space := p.sp.of[p.at[n.ID()]]
	c := Call{Node: n, In: make([]Arg, n.NumIn()), Out: make([]Arg, n.NumOut())}
	for i := range c.In {
		c.In[i] = p.arg(n.In(i), space)
	}
	for i := range c.Out {
		c.Out[i] = p.arg(n.Out(i), space)
	}
	return c
}

func (p *Partition) uses() []int {
	var list []int
	for _, c := range p.Calls {
		for _, a := range slices.Concat(c.In, c.Out) {
			list = append(list, a.Storage)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// ArenaBytes returns the working memory of one run, all spaces together.
func (p *Plan) ArenaBytes() (n int64) {
	for _, s := range p.Storages {
		if s.Kind == ArenaStorage {
			n += s.Bytes
		}
	}
	return n
}

// Close releases the compiled partitions.
func (p *Plan) Close() error {
	var errs []error
	for _, s := range p.Steps {
		if s.exec != nil {
			errs = append(errs, s.exec.Close())
		}
	}
	return errors.Join(errs...)
}

// String lists the arenas, the steps with the place of every tensor, and the
// notes.
func (p *Plan) String() string {
	var b strings.Builder
	for _, s := range p.Storages {
		if s.Kind == ArenaStorage && s.Bytes > 0 {
			fmt.Fprintf(&b, "arena %s %d bytes\n", s.Name, s.Bytes)
		}
	}
	for _, s := range p.Steps {
		if s.Run == nil {
			fmt.Fprintf(&b, "copy %s -> %s %v\n", p.place(s.Src), p.place(s.Dst), s.Dst.Shape)
			continue
		}
		fmt.Fprintf(&b, "run %s\n", s.Run.Backend)
		for _, c := range s.Run.Calls {
			fmt.Fprintf(&b, "  %s(%s) -> %s", c.Node.Op().Name, p.places(c.In), p.places(c.Out))
			for _, a := range c.Out {
				fmt.Fprintf(&b, " %v", a.Shape)
			}
			if c.Node.Scope() != "" {
				fmt.Fprintf(&b, " @%s", c.Node.Scope())
			}
			b.WriteByte('\n')
		}
	}
	for _, n := range p.Notes {
		fmt.Fprintf(&b, "note %s\n", n)
	}
	return b.String()
}

func (p *Plan) places(args []Arg) string {
	var parts []string
	for _, a := range args {
		parts = append(parts, p.place(a))
	}
	return strings.Join(parts, ", ")
}

// place writes an argument as host+64, input "x", or input "x"+64 strides [1 4].
func (p *Plan) place(a Arg) string {
	s := p.Storages[a.Storage]
	var text string
	switch s.Kind {
	case ArenaStorage:
		text = fmt.Sprintf("%s+%d", s.Name, a.Off)
	case ConstStorage:
		text = "const " + s.Name
	case StaticStorage:
		text = "static " + s.Name[:8]
	default:
		text = fmt.Sprintf("%v %q", s.Kind, s.Name)
	}
	if s.Kind != ArenaStorage && a.Off > 0 {
		text += fmt.Sprintf("+%d", a.Off)
	}
	if a.Strides != nil {
		text += fmt.Sprintf(" strides %v", a.Strides)
	}
	return text
}
