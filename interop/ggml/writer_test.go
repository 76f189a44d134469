package ggml_test

import (
	"fmt"
	"math"
	"strings"
)

// text writes a text, with the strides that the library which prints such texts
// gives its tensors.
type text struct {
	lines  []string
	leaves map[string]*tn
}

// tn is a tensor of a text.
type tn struct {
	w      *text
	id     int
	typ    string
	ne, nb [4]int
	base   *tn // nil for one that owns its memory
	off    int
}

var sizes = map[string]int{"f32": 4, "i32": 4, "i64": 8, "f16": 2, "i8": 1}

func (w *text) String() string { return strings.Join(w.lines, "\n") + "\n" }

// add writes a line. strides of 0 stand for dense ones.
func (w *text) add(op, name, typ string, ne []int, nb [4]int, base *tn, off int, params []int, src ...*tn) *tn {
	t := &tn{w: w, id: len(w.lines), typ: typ, ne: [4]int{1, 1, 1, 1}, nb: nb, base: base, off: off}
	copy(t.ne[:], ne)
	if t.nb[0] == 0 {
		t.nb[0] = sizes[typ]
		for i := range 3 {
			t.nb[i+1] = t.nb[i] * t.ne[i]
		}
	}
	kind, view := "node", -1
	if op == "LEAF" {
		kind = "leaf"
	}
	if base != nil {
		view = base.id
	}
	var ids []string
	for _, s := range src {
		ids = append(ids, fmt.Sprint(s.id))
	}
	all := [16]int{}
	copy(all[:], params)
	w.lines = append(w.lines, fmt.Sprintf("%d|%s|%s|%s|%s|%s|%s|%d|%d|%s|%s", t.id, op, name, typ, kind,
		commas(t.ne[:]), commas(t.nb[:]), view, off, strings.Join(ids, ","), commas(all[:])))
	return t
}

func commas(v []int) string {
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(v), " ", ","), "[]")
}

// leaf returns the leaf of that name, which is written when first used.
func (w *text) leaf(typ, name string, ne ...int) *tn {
	if w.leaves == nil {
		w.leaves = map[string]*tn{}
	}
	if w.leaves[name] == nil {
		w.leaves[name] = w.add("LEAF", name, typ, ne, [4]int{}, nil, 0, nil)
	}
	return w.leaves[name]
}

// node writes an op with a result of its own.
func (w *text) node(op string, ne []int, params []int, src ...*tn) *tn {
	return w.add(op, fmt.Sprintf("node_%d", len(w.lines)), "f32", ne, [4]int{}, nil, 0, params, src...)
}

// in writes an op whose result lies where t lies.
func (w *text) in(op string, t *tn, params []int, src ...*tn) *tn {
	return w.add(op, "in place", t.typ, t.ne[:], t.nb, t.root(), t.off, params, src...)
}

func (t *tn) root() *tn {
	if t.base != nil {
		return t.base
	}
	return t
}

func (t *tn) dim() []int { return append([]int(nil), t.ne[:]...) }

// view is a strided view: extents, bytes of axes 1, 2, 3, offset in bytes.
func (t *tn) view(ne []int, nb [3]int, off int) *tn {
	s := [4]int{t.nb[0], nb[0], nb[1], nb[2]}
	return t.w.add("VIEW", "(view)", t.typ, ne, s, t.root(), t.off+off, []int{off}, t)
}

// view2 is a view of rows.
func (t *tn) view2(ne0, ne1, nb1, off int) *tn {
	return t.view([]int{ne0, ne1}, [3]int{nb1, nb1 * ne1, nb1 * ne1}, off)
}

func (t *tn) reshape(ne ...int) *tn {
	return t.w.add("RESHAPE", "(reshaped)", t.typ, ne, [4]int{}, t.root(), t.off, nil, t)
}

// permute sends axis i to axis p[i].
func (t *tn) permute(p ...int) *tn {
	var ne [4]int
	var nb [4]int
	for i, to := range p {
		ne[to], nb[to] = t.ne[i], t.nb[i]
	}
	return t.w.add("PERMUTE", "(permuted)", t.typ, ne[:], nb, t.root(), t.off, p, t)
}

func (t *tn) transpose() *tn {
	ne, nb := t.ne, t.nb
	ne[0], ne[1], nb[0], nb[1] = ne[1], ne[0], nb[1], nb[0]
	return t.w.add("TRANSPOSE", "(transposed)", t.typ, ne[:], nb, t.root(), t.off, nil, t)
}

// Ops by the extents of their sources.

func (t *tn) unary(op string, params ...int) *tn { return t.w.node(op, t.dim(), params, t) }

func (t *tn) cont(ne ...int) *tn {
	if len(ne) == 0 {
		ne = t.dim()
	}
	return t.w.node("CONT", ne, nil, t)
}

func (t *tn) binary(op string, o *tn) *tn { return t.w.node(op, t.dim(), nil, t, o) }
func (t *tn) add(o *tn) *tn               { return t.binary("ADD", o) }
func (t *tn) mul(o *tn) *tn               { return t.binary("MUL", o) }
func (t *tn) sub(o *tn) *tn               { return t.binary("SUB", o) }
func (t *tn) scale(s float64) *tn         { return t.unary("SCALE", bits(s)) }
func (t *tn) rms(eps float64) *tn         { return t.unary("RMS_NORM", bits(eps)) }
func (t *tn) repeat(ne ...int) *tn        { return t.w.node("REPEAT", ne, nil, t) }
func (t *tn) rows(idx *tn) *tn {
	return t.w.node("GET_ROWS", []int{t.ne[0], idx.ne[0], t.ne[2], t.ne[3]}, nil, t, idx)
}
func (t *tn) cpy(dst *tn) *tn          { return t.w.in("CPY", dst, nil, t, dst) }
func (t *tn) setRows(idx, dst *tn) *tn { return t.w.in("SET_ROWS", dst, nil, t, idx, dst) }
func (t *tn) swiglu(o *tn) *tn         { return t.w.node("SWIGLU", t.dim(), []int{2}, t, o) }
func (t *tn) mulMatID(x, ids *tn) *tn {
	return t.w.node("MUL_MAT_ID", []int{t.ne[1], ids.ne[0], x.ne[2]}, nil, t, x, ids)
}

// mulMat is x times t, each row of the one with each row of the other.
func (t *tn) mulMat(x *tn) *tn {
	return t.w.node("MUL_MAT", []int{t.ne[1], x.ne[1], x.ne[2], x.ne[3]}, nil, t, x)
}

func (t *tn) concat(o *tn, axis int) *tn {
	ne := t.dim()
	ne[axis] += o.ne[axis]
	return t.w.node("CONCAT", ne, []int{axis}, t, o)
}

// padTime adds zeros at the end of axis 1.
func (t *tn) padTime(n int) *tn {
	ne := t.dim()
	ne[1] += n
	return t.w.node("PAD", ne, []int{0, 0, 0, n}, t)
}

func (t *tn) sumRows() *tn {
	ne := t.dim()
	ne[0] = 1
	return t.w.node("SUM_ROWS", ne, nil, t)
}

// set writes o into t in place, at an offset in bytes.
func (t *tn) set(o *tn, off int) *tn {
	return t.w.in("SET", t, []int{t.nb[1], t.nb[2], t.nb[3], off, 1}, t, o)
}

func bits(x float64) int { return int(math.Float32bits(float32(x))) }
