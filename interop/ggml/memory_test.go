package ggml_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
)

// ram runs the texts of these tests on plain memory: what aliasing means.
type ram map[*tn][]float32

func (r ram) at(t *tn, i [4]int) *float32 {
	off := t.off
	for a := range i {
		off += i[a] * t.nb[a]
	}
	return &r[t.root()][off/4]
}

// each calls f for every element, the fastest axis first.
func (t *tn) each(f func(i [4]int)) {
	for d := range t.ne[3] {
		for c := range t.ne[2] {
			for b := range t.ne[1] {
				for a := range t.ne[0] {
					f([4]int{a, b, c, d})
				}
			}
		}
	}
}

func (r ram) values(t *tn) []float32 {
	var v []float32
	t.each(func(i [4]int) { v = append(v, *r.at(t, i)) })
	return v
}

func (r ram) put(t *tn, v []float32) {
	if t.base == nil && r[t] == nil {
		r[t] = make([]float32, t.len())
	}
	n := 0
	t.each(func(i [4]int) { *r.at(t, i) = v[n]; n++ })
}

func (t *tn) len() int { return t.ne[0] * t.ne[1] * t.ne[2] * t.ne[3] }

// randomView takes a box out of t, perhaps with steps, and permutes or reshapes
// it.
func randomView(t *tn, r *rand.Rand) *tn {
	for range r.IntN(3) {
		switch r.IntN(4) {
		case 0, 1:
			ne, nb, off := t.ne, t.nb, 0
			for a := range ne {
				if r.IntN(2) == 0 {
					continue
				}
				if a > 0 && ne[a]%2 == 0 && r.IntN(4) == 0 { // every second index
					off += r.IntN(2) * nb[a]
					ne[a], nb[a] = ne[a]/2, 2*nb[a]
					continue
				}
				start := r.IntN(ne[a])
				ne[a] = 1 + r.IntN(ne[a]-start)
				off += start * nb[a]
			}
			t = t.w.add("VIEW", "(view)", t.typ, ne[:], nb, t.root(), t.off+off, nil, t)
		case 2:
			t = t.permute(r.Perm(4)...)
		case 3:
			dense := t.nb[0] == 4
			for a := range 3 {
				dense = dense && t.nb[a+1] == t.nb[a]*t.ne[a]
			}
			if dense {
				ne := t.dim()
				r.Shuffle(4, func(i, j int) { ne[i], ne[j] = ne[j], ne[i] })
				t = t.reshape(ne...)
			}
		}
	}
	return t
}

// Random reads and writes through views, against plain memory.
func TestAliasing(t *testing.T) {
	for seed := range uint64(400) {
		r := rand.New(rand.NewPCG(seed, 1))
		mem, w := ram{}, &text{}
		feeds := map[string]graph.Tensor{}
		var bases []*tn
		for i := range 2 {
			name := fmt.Sprintf("cache_s_l%d", i)
			leaf := w.leaf("f32", name, [][]int{{4, 3, 2}, {6, 4}, {2, 2, 3, 2}, {24}}[r.IntN(4)]...)
			v := make([]float32, leaf.len())
			for j := range v {
				v[j] = float32(r.IntN(1000))
			}
			mem.put(leaf, v)
			bases = append(bases, leaf)
			feeds[name] = graph.Tensor{F: slices.Clone(v)}
		}
		var last *tn // the last one is certainly an output
		for range 1 + r.IntN(6) {
			x := randomView(bases[r.IntN(len(bases))], r)
			switch r.IntN(4) {
			case 0: // a copy, which can be written to
				ne := x.dim()
				last = x.cont(ne...)
				mem.put(last, mem.values(x))
				bases = append(bases, last)
			case 1:
				last = w.in("SCALE", x, []int{bits(2)}, x)
				v := mem.values(x)
				for i := range v {
					v[i] *= 2
				}
				mem.put(last, v)
			case 2: // into a place of as many elements
				dst := randomView(bases[r.IntN(len(bases))], r)
				if dst.len() != x.len() {
					dst = x
				}
				last = x.cpy(dst)
				mem.put(last, mem.values(x))
			case 3: // a window of a dense tensor
				dst := bases[r.IntN(len(bases))]
				box := x.dim()
				for a := range box {
					box[a] = min(box[a], dst.ne[a])
				}
				x = x.w.add("VIEW", "box", "f32", box, x.nb, x.root(), x.off, nil, x)
				off := 0
				for a := range box {
					off += r.IntN(dst.ne[a]-box[a]+1) * dst.nb[a]
				}
				last = dst.set(x, off)
				win := *dst
				win.ne, win.off, win.base = x.ne, off, dst.root()
				mem.put(&win, mem.values(x))
			}
		}
		out := last.cont()
		mem.put(out, mem.values(last))

		g := read(t, w.String()).Graph()
		for _, n := range g.Nodes() {
			if f, ok := feeds[n.Name()]; ok {
				f.Shape = n.Out(0).Shape()
				feeds[n.Name()] = f
			}
		}
		got, err := ops.Run(g, feeds)
		if err != nil {
			t.Fatalf("seed %d: %v\n%s", seed, err, w)
		}
		for i, leaf := range bases[:2] {
			if next, ok := got.States[fmt.Sprintf("cache_s_l%d", i)]; ok && !slices.Equal(next.F, mem[leaf]) {
				t.Fatalf("seed %d: state %d is %v, want %v\n%s%s", seed, i, next.F, mem[leaf], w, g)
			} else if !ok && !slices.Equal(feeds[fmt.Sprintf("cache_s_l%d", i)].F, mem[leaf]) {
				t.Fatalf("seed %d: state %d has no next value\n%s", seed, i, w)
			}
		}
		name := fmt.Sprintf("node_%d", out.id)
		if !slices.Equal(got.Outputs[name].F, mem[out]) {
			t.Fatalf("seed %d: %v, want %v\n%s%s", seed, got.Outputs[name].F, mem[out], w, g)
		}
	}
}
