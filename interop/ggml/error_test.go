package ggml_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/interop/ggml"
)

// What is wrong with a text, said with line, tensor and reason.
func TestErrors(t *testing.T) {
	const leaf = "0|LEAF|inp_x|f32|leaf|4,2,1,1|4,16,32,32|-1|0||0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0"
	const node = "1|NEG|y|f32|node|4,2,1,1|4,16,32,32|-1|0|0|0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0"
	change := func(line, from, to string) string {
		if !strings.Contains(line, from) {
			t.Fatalf("%q is not in %q", from, line)
		}
		return leaf + "\n" + strings.Replace(line, from, to, 1) + "\n"
	}
	built := func(f func(w *text)) string {
		w := &text{}
		f(w)
		return w.String()
	}
	for _, c := range []struct {
		name, text string
		want       []string
		no         bool // wraps errors.ErrUnsupported
	}{
		{"empty", "", []string{"no output"}, false},
		{"blank", "\n \r\n", []string{"no output"}, false},
		{"few fields", "0|LEAF\n", []string{"line 1: 2 fields, want 11"}, false},
		{"id", change(node, "1|", "x|"), []string{"line 2: id", `"x" is no integer`}, false},
		{"id twice", change(node, "1|", "0|"), []string{`line 2: tensor 0 "y": NEG: the id is that of line 1`}, false},
		{"type", change(node, "f32", "q9_z"), []string{`tensor 1 "y": NEG: type "q9_z"`}, true},
		{"leaf or node", change(node, "node", "root"), []string{`"root" is neither`}, false},
		{"leaf with an op", change(node, "node", "leaf"), []string{"op NEG of a leaf"}, false},
		{"few extents", change(node, "4,2,1,1", "4,2"), []string{"ne: 2 numbers, want 4"}, false},
		{"negative extent", change(node, "4,2,1,1", "-4,2,1,1"), []string{"ne: -4 is out of range"}, false},
		{"huge", change(node, "4,2,1,1", "4611686018427387904,4,1,1"), []string{"out of range"}, false},
		{"stride", change(node, "4,16,32,32", "4,x,32,32"), []string{"nb:", `"x"`}, false},
		{"gaps", change(node, "4,16,32,32", "4,20,40,40"), []string{"strides [4 20 40 40]", "gaps"}, false},
		{"view_src", change(node, "|-1|", "|7|"), []string{"view_src 7 is no earlier line"}, false},
		{"offset", change(node, "|-1|0|0", "|0|-4|0"), []string{"view offset: -4"}, false},
		{"beyond", change(node, "|-1|0|0", "|0|4|0"), []string{`reaches beyond the 32 bytes of tensor 0 "inp_x"`}, false},
		{"far beyond", change(node, "|-1|0|0", "|0|9223372036854775807|0"), []string{"offset 9223372036854775807"}, false},
		{"strides beyond", change(node, "4,16,32,32|-1", "4,9223372036854775804,0,0|0"), []string{"reaches beyond"}, false},
		{"half an element", change(node, "|-1|0|0", "|0|2|0"), []string{"not whole elements"}, false},
		{"other type", change(node, "f32|node|4,2,1,1|4,16,32,32|-1", "i32|node|4,2,1,1|4,16,32,32|0"), []string{"a view as i32", "which is f32"}, false},
		{"view of a view", leaf + "\n" + change(node, "|-1|", "|0|")[len(leaf)+1:] + strings.Replace(strings.Replace(node, "1|", "2|", 1), "|-1|", "|1|", 1), []string{"line 3", "view_src 1 is a view itself"}, false},
		{"source", change(node, "|0|0|0,", "|0|5|0,"), []string{"source 0 is tensor 5, which is no earlier line"}, false},
		{"itself", change(node, "|0|0|0,", "|0|1|0,"), []string{"source 0 is tensor 1"}, false},
		{"source is no number", change(node, "|0|0|0,", "|0|a|0,"), []string{`source 0: "a"`}, false},
		{"leaf with sources", leaf + "\n" + strings.Replace(strings.Replace(leaf, "0|LEAF", "1|LEAF", 1), "|0||", "|0|0|", 1), []string{"a leaf has sources"}, false},
		{"leaf as a view", leaf + "\n" + strings.Replace(strings.Replace(leaf, "0|LEAF", "1|LEAF", 1), "-1|0", "0|0", 1), []string{"a leaf that is a view of tensor 0"}, false},
		{"params", change(node, "|0,0,0", "|0,0"), []string{"15 op params, want 16"}, false},
		{"param", change(node, "|0,0,0", "|0,5000000000,0"), []string{"op param 1"}, false},
		{"long line", leaf + strings.Repeat("x", 1<<17), []string{"line 1: longer than"}, false},

		{"unknown op", change(node, "NEG", "FROBNICATE"), []string{`line 2: tensor 1 "y": FROBNICATE:`}, true},
		{"flash attention", change(node, "NEG", "FLASH_ATTN_EXT"), []string{"FLASH_ATTN_EXT", "without"}, true},
		{"half result", change(node, "f32|node|4,2,1,1|4,16,32,32", "f16|node|4,2,1,1|2,8,16,16"), []string{"a result of type f16"}, true},
		{"leaf of i8", "0|LEAF|inp_x|i8|leaf|4,1,1,1|1,4,4,4|-1|0||0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0", []string{"type i8"}, true},
		{"leaf without a name", strings.Replace(leaf, "inp_x", "", 1), []string{"without a name"}, false},
		{"sources missing", change(node, "|0|0|0,", "|0||0,"), []string{"0 sources, want 1"}, false},
		{"other extents", change(node, "4,2,1,1|4,16,32,32", "4,3,1,1|4,16,48,48"), []string{"gives f32[2 4], the text says f32[3 4]"}, false},
		{"a view without view_src", change(node, "NEG", "VIEW"), []string{"a VIEW without view_src"}, false},
		{"a view of another tensor", built(func(w *text) {
			x, y := w.x(4), w.y(4)
			w.add("VIEW", "v", "f32", []int{4}, [4]int{}, x, 0, nil, y)
		}), []string{"view_src is tensor 0, but its source lies in tensor 1"}, false},
		{"a reshape over gaps", built(func(w *text) { w.x(4, 2).transpose().reshape(8) }), []string{"source 1 has gaps"}, false},
		{"extents that do not repeat", built(func(w *text) { w.x(4).add(w.y(3)) }), []string{"does not repeat"}, false},
		{"MUL_MAT", built(func(w *text) { w.x(4, 2).mulMat(w.y(3, 2)) }), []string{"MUL_MAT", "last axes"}, false},
		{"MUL_MAT heads", built(func(w *text) { w.x(4, 2, 2).mulMat(w.y(4, 2, 3)) }), []string{"2 matrices for 3 along axis 2"}, false},
		{"no elements", built(func(w *text) { w.node("ADD", []int{4}, nil, w.x(4), w.leaf("f32", "no", 0)) }), []string{`tensor 1 "no" has no elements`}, false},
		{"a view of nothing", built(func(w *text) {
			no := w.leaf("f32", "no", 0)
			w.add("VIEW", "v", "f32", []int{1}, [4]int{}, no, 0, nil, no)
		}), []string{"which has no elements"}, false},
		{"overlapping windows", built(func(w *text) { w.x(5).view([]int{3, 3}, [3]int{4, 12, 12}, 0).scale(1) }), []string{`reads tensor 1 "(view)"`, "strides"}, false},
		{"writing twice to an element", built(func(w *text) {
			s := w.leaf("f32", "cache_s_l0", 4)
			w.x(2, 2).cpy(s.view([]int{2, 2}, [3]int{0, 0, 0}, 0))
		}), []string{`writes into tensor 0 "cache_s_l0"`, "no box"}, false},
		{"writing to a weight", built(func(w *text) { w.x(4).cpy(w.leaf("f32", "a.weight", 4)) }), []string{`writes into weight "a.weight"`}, false},
		{"conversion", built(func(w *text) { w.add("CPY", "half", "f16", []int{4}, [4]int{}, nil, 0, nil, w.x(4), w.x(4)) }), []string{"a result of type f16"}, true},
		{"conversion into a cache", built(func(w *text) {
			s := w.leaf("f16", "cache_k_l0", 4, 2)
			w.in("SET_ROWS", s, nil, w.x(4, 1), w.leaf("i64", "attn_inp_k_idxs", 1), s)
		}), []string{"SET_ROWS", "type f16"}, true},
		{"part of a block", built(func(w *text) {
			q := w.add("LEAF", "a.weight", "q8_0", []int{64, 2}, [4]int{34, 68, 136, 136}, nil, 0, nil)
			w.add("VIEW", "v", "q8_0", []int{32, 2}, [4]int{34, 68, 136, 136}, q, 0, nil, q)
		}), []string{"a part of the q8_0 blocks"}, true},
		{"SET beyond", built(func(w *text) { w.x(4).scale(1).set(w.y(4), 4) }), []string{"the window: reaches beyond"}, false},
		{"SOFT_MAX bias", built(func(w *text) { w.x(4).unary("SOFT_MAX", bits(1), bits(8)) }), []string{"position bias"}, true},
		{"ROPE mode", built(func(w *text) { w.node("ROPE", []int{4, 1, 1}, []int{0, 4, 8}, w.x(4), w.ids(1)) }), []string{"mode 8"}, true},
		{"ROPE positions", built(func(w *text) {
			w.node("ROPE", []int{4, 1, 1}, []int{0, 4, 2, 0, 0, bits(1e4), bits(1), 0, bits(1)}, w.x(4), w.ids(3))
		}), []string{"3 positions for 1 tokens"}, false},
		{"ROPE scaled", built(func(w *text) {
			w.node("ROPE", []int{4, 1, 1}, []int{0, 4, 2, 0, 0, bits(1e4), bits(0.5), 0, bits(1)}, w.x(4), w.ids(1))
		}), []string{"scaled by 0.5"}, true},
		{"TRI kind", built(func(w *text) { w.x(2, 2).unary("TRI", 9) }), []string{"triangle 9"}, true},
		{"PAD", built(func(w *text) { w.node("PAD", []int{5}, []int{0, 2}, w.x(4)) }), []string{"axis 0 is 5"}, false},
		{"PAD circular", built(func(w *text) { w.node("PAD", []int{5}, []int{0, 1, 0, 0, 0, 0, 0, 0, 1}, w.x(4)) }), []string{"circular"}, true},
		{"CONCAT axis", built(func(w *text) { w.node("CONCAT", []int{8}, []int{4}, w.x(4), w.y(4)) }), []string{"axis 4"}, false},
		{"snapshots", built(func(w *text) { x := w.x(4); w.node("GATED_DELTA_NET", []int{4}, []int{2}, x, x, x, x, x, x) }), []string{"2 snapshots"}, true},
		{"NaN", built(func(w *text) { w.x(4).unary("SCALE", 0x7fc00000) }), []string{"SCALE", "NaN"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := ggml.Parse(strings.NewReader(c.text))
			if err == nil {
				t.Fatal("no error")
			}
			for _, w := range append(c.want, "ggml: ") {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("%v: want %q", err, w)
				}
			}
			if errors.Is(err, errors.ErrUnsupported) != c.no {
				t.Errorf("%v: is unsupported: %v, want %v", err, !c.no, c.no)
			}
			if strings.Contains(err.Error(), ".go:") {
				t.Errorf("%v: names this package's source", err)
			}
		})
	}
	if _, err := ggml.Parse(iotest.ErrReader(io.ErrUnexpectedEOF)); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("error %v of a reader that fails", err)
	}
}

// A name may hold what separates fields, and lines may end as on Windows.
func TestNames(t *testing.T) {
	w := &text{}
	w.add("NEG", "a|b", "f32", []int{1}, [4]int{}, nil, 0, nil, w.x(1))
	w.add("NEG", "", "f32", []int{1}, [4]int{}, nil, 0, nil, w.x(1))
	w.add("ABS", "a|b", "f32", []int{1}, [4]int{}, nil, 0, nil, w.x(1))
	g := read(t, strings.ReplaceAll(w.String(), "\n", "\r\n"))
	var names []string
	for _, o := range g.Graph().Outputs() {
		names = append(names, o.Name)
	}
	if s := strings.Join(names, " "); s != "a|b #2 a|b#3" {
		t.Errorf("outputs %s", s)
	}
}

// Nodes are in the scope of their layer.
func TestScopes(t *testing.T) {
	w := &text{}
	x := w.x(2, 2)
	line := func(name string, src *tn) *tn {
		return w.add("NEG", name, "f32", []int{2, 2}, [4]int{}, nil, 0, nil, src)
	}
	x = line("norm-7", x)
	x = line("node_3", x)
	x = line("", x)
	x = line("conv-12 (copy)", x)
	x = x.mul(w.leaf("f32", "blk.3.a.weight", 2))
	line("result", x)
	var scopes []string
	for _, n := range read(t, w.String()).Graph().Nodes() {
		if n.Op() != graph.InputOp {
			scopes = append(scopes, n.Scope())
		}
	}
	if s := strings.Join(scopes, " "); s != "blk.7 blk.7 blk.7 blk.12 blk.3 blk.3 " {
		t.Errorf("scopes %q", s)
	}
}
