package sched_test

import (
	"fmt"
	"slices"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/runtime/sched"
)

// checkMemory walks a plan with a shadow of every storage that knows which value
// each byte belongs to, and reports the first read of a byte that holds another
// value: two live values that overlap, a result written over an operand that is
// still needed, a copy that came too late.
func checkMemory(p *sched.Plan) error {
	s := shadow{p, make([][]owner, len(p.Storages))}
	for i, st := range p.Storages {
		switch st.Kind {
		case sched.ArenaStorage, sched.OutputStorage:
		case sched.ConstStorage, sched.StaticStorage:
			s.mem[i] = []owner{{0, st.Bytes, content{leaf: st.Kind.String()}}}
		default:
			s.mem[i] = []owner{{0, st.Bytes, content{leaf: fmt.Sprintf("%v %q", st.Kind, st.Name)}}}
		}
	}
	for _, step := range p.Steps {
		if step.Run == nil {
			if err := s.copy(step.Dst, step.Src); err != nil {
				return err
			}
			continue
		}
		for _, c := range step.Run.Calls {
			for i, a := range c.In {
				if a.Strides == nil && a.Off%sched.Align != 0 {
					return fmt.Errorf("%s: operand %d is not aligned", graph.Label(c.Node), i)
				}
				if err := s.reads(a, c.Node.In(i)); err != nil {
					return fmt.Errorf("%s: operand %d: %w", graph.Label(c.Node), i, err)
				}
			}
			for i, a := range c.Out {
				if err := s.mayWrite(c, i); err != nil {
					return fmt.Errorf("%s: result %d: %w", graph.Label(c.Node), i, err)
				}
				if err := s.write(a, []owner{{a.Off, a.Off + a.Shape.Bytes(), content{v: c.Node.Out(i)}}}); err != nil {
					return fmt.Errorf("%s: result %d: %w", graph.Label(c.Node), i, err)
				}
			}
		}
	}
	return nil
}

// content is what memory holds: a computed value, or that of a bound storage.
type content struct {
	v    graph.Value
	leaf string
}

func contentOf(v graph.Value) content {
	switch n := v.Node(); {
	case n.Op() == graph.ConstOp:
		return content{leaf: "const"}
	case n.IsLeaf():
		return content{leaf: graph.Label(n)}
	case n.Static():
		return content{leaf: "static"}
	}
	return content{v: v}
}

// owner says what the bytes from up to to hold.
type owner struct {
	from, to int64
	content
}

type shadow struct {
	p   *sched.Plan
	mem [][]owner // by storage
}

// mayWrite reports a result that lies over an operand or another result of its
// call, where the op does not allow it.
func (s *shadow) mayWrite(c sched.Call, i int) error {
	a := c.Out[i]
	if a.Off%sched.Align != 0 {
		return fmt.Errorf("not aligned")
	}
	var over []int
	for k, in := range c.In {
		if meet(a, in) {
			over = append(over, k)
		}
	}
	if len(over) > 1 || len(over) == 1 && (!slices.Contains(c.Node.Op().InPlace, graph.Alias{Result: i, Operand: over[0]}) ||
		c.In[over[0]].Off != a.Off || c.In[over[0]].Shape != a.Shape || c.In[over[0]].Strides != nil) {
		return fmt.Errorf("over operands %v", over)
	}
	for k, out := range c.Out[:i] {
		if meet(a, out) {
			return fmt.Errorf("over result %d", k)
		}
	}
	return nil
}

func meet(a, b sched.Arg) bool {
	return a.Storage == b.Storage && a.Off < b.Off+reach(b) && b.Off < a.Off+reach(a)
}

// reach returns the bytes from the first to the last element.
func reach(a sched.Arg) int64 {
	if a.Strides == nil {
		return a.Shape.Bytes()
	}
	n := 1
	for axis, stride := range a.Strides {
		n += (a.Shape.Dim(axis) - 1) * stride
	}
	return a.Shape.DType.Bytes(n)
}

func (s *shadow) write(a sched.Arg, own []owner) error {
	st := s.p.Storages[a.Storage]
	end := a.Off + a.Shape.Bytes()
	switch {
	case st.Kind != sched.ArenaStorage && st.Kind != sched.OutputStorage && st.Kind != sched.StateStorage:
		return fmt.Errorf("%v %q is written to", st.Kind, st.Name)
	case a.Strides != nil:
		return fmt.Errorf("written through strides")
	case end > st.Bytes:
		return fmt.Errorf("ends at byte %d of %d", end, st.Bytes)
	}
	var kept []owner
	for _, o := range s.mem[a.Storage] {
		if o.to <= a.Off || o.from >= end {
			kept = append(kept, o)
			continue
		}
		if o.from < a.Off {
			kept = append(kept, owner{o.from, a.Off, o.content})
		}
		if o.to > end {
			kept = append(kept, owner{end, o.to, o.content})
		}
	}
	s.mem[a.Storage] = append(kept, own...)
	return nil
}

func (s *shadow) copy(dst, src sched.Arg) error {
	var own []owner
	for _, o := range s.mem[src.Storage] {
		from, to := max(o.from, src.Off), min(o.to, src.Off+src.Shape.Bytes())
		if from < to {
			own = append(own, owner{from - src.Off + dst.Off, to - src.Off + dst.Off, o.content})
		}
	}
	return s.write(dst, own)
}

// reads wants a to hold v, or a value that v is a view of, and nothing else. Of
// an operand with strides it looks at the first byte.
func (s *shadow) reads(a sched.Arg, v graph.Value) error {
	end := a.Off + 1
	if a.Strides == nil {
		end = a.Off + a.Shape.Bytes()
	}
	may := []content{contentOf(v)}
	for v.Node().Op().View {
		v = v.Node().In(0)
		may = append(may, contentOf(v))
	}
	covered := int64(0)
	for _, o := range s.mem[a.Storage] {
		if o.to <= a.Off || o.from >= end {
			continue
		}
		if !slices.Contains(may, o.content) {
			return fmt.Errorf("byte %d of storage %d holds another value: %s %s", max(o.from, a.Off), a.Storage, graph.Label(o.v.Node()), o.leaf)
		}
		covered += min(o.to, end) - max(o.from, a.Off)
	}
	if covered < end-a.Off {
		return fmt.Errorf("%d bytes of %v were never written", end-a.Off-covered, may[0])
	}
	return nil
}
