package ggml_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/interop/ggml"
)

// inputsText has every input for T tokens: 2 channels, 5 positions.
func inputsText(T int) *text {
	w := &text{}
	w.leaf("f32", "token_embd.weight", 2, 9).rows(w.leaf("i32", "inp_tokens", T)).rows(w.leaf("i32", "out_ids", 1))
	w.leaf("f32", "cache_r_l0", 4, 1).rows(w.leaf("i32", "rs_s_copy", 1))
	x := w.leaf("f32", "x.weight", 2, T)
	x.setRows(w.leaf("i64", "attn_inp_k_idxs", T), w.leaf("f32", "cache_k_l1", 2, 5))
	x.reshape(1, 2*T).setRows(w.leaf("i64", "attn_inp_v_idxs", 2*T), w.leaf("f32", "cache_v_l1", 2, 5).reshape(1, 10))
	s := w.leaf("f32", "s.weight", 4, T)
	w.node("SOFT_MAX", s.dim(), []int{bits(1)}, s, w.leaf("f32", "attn_inp_kq_mask", 4, T+1))
	w.node("GET_ROWS", []int{2, 4 * T}, nil, w.leaf("f32", "p.weight", 2, 9), w.leaf("i32", "inp_pos", 4*T))
	return w
}

func TestFeeds(t *testing.T) {
	g := read(t, inputsText(2).String())
	feeds, err := g.Feeds([]int32{7, 8})
	if err != nil {
		t.Fatal(err)
	}
	check := func(start int, want map[string][]int32) {
		t.Helper()
		for name, w := range want {
			if !slices.Equal(feeds[name].I, w) {
				t.Errorf("from %d: %s is %v, want %v", start, name, feeds[name].I, w)
			}
		}
		for i, v := range feeds["attn_inp_kq_mask"].F {
			row, at := i/4, i%4
			if seen := row < 2 && at <= row+start; (v == 0) != seen || !seen && !math.IsInf(float64(v), -1) {
				t.Errorf("from %d: the mask of token %d, position %d is %v", start, row, at, v)
			}
		}
	}
	check(0, map[string][]int32{
		"inp_tokens": {7, 8}, "inp_pos": {0, 1, 0, 1, 0, 1, 0, 0}, "rs_s_copy": {0}, "out_ids": {1},
		"attn_inp_k_idxs": {0, 1}, "attn_inp_v_idxs": {0, 5, 1, 6},
	})
	for _, name := range []string{"cache_r_l0", "cache_k_l1", "cache_v_l1"} {
		if x := feeds[name]; x.Check() != nil || slices.Max(x.F) != 0 {
			t.Errorf("%s is %v", name, x)
		}
	}
	if feeds, err = g.FeedsAt([]int32{7, 8}, 2); err != nil {
		t.Fatal(err)
	}
	check(2, map[string][]int32{"inp_pos": {2, 3, 2, 3, 2, 3, 0, 0}, "attn_inp_k_idxs": {2, 3}, "attn_inp_v_idxs": {2, 7, 3, 8}})
	if _, ok := feeds["cache_r_l0"]; ok || len(feeds) != 7 {
		t.Errorf("FeedsAt gives %d tensors", len(feeds))
	}
}

func TestFeedsErrors(t *testing.T) {
	g := read(t, inputsText(2).String())
	for _, c := range []struct {
		tokens []int32
		start  int
		want   string
	}{
		{nil, 0, "0 tokens for a graph of 2"},
		{[]int32{1}, 0, "1 tokens for a graph of 2"},
		{[]int32{1, 2}, -1, "position -1"},
		{[]int32{1, 2}, math.MaxInt32, "position"},
		{[]int32{1, 2}, 3, "wrong extents"},
	} {
		if _, err := g.FeedsAt(c.tokens, c.start); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v from %d: error %v, want %q", c.tokens, c.start, err, c.want)
		}
	}
	for name, c := range map[string]struct {
		build func(w *text)
		want  string
	}{
		"unknown":           {func(w *text) { w.leaf("f32", "inp_what", 2).scale(1) }, `tensor 0 "inp_what"`},
		"unknown integers":  {func(w *text) { w.leaf("f32", "a.weight", 1, 9).rows(w.leaf("i32", "what", 2)) }, "is unknown"},
		"mask":              {func(w *text) { w.leaf("f32", "attn_inp_kq_mask", 2, 1).scale(1) }, "wrong extents"},
		"positions":         {func(w *text) { w.leaf("f32", "a.weight", 1, 9).rows(w.leaf("i32", "inp_pos", 3)) }, "wrong extents"},
		"rows of no cache":  {func(w *text) { w.leaf("f32", "a.weight", 1, 9).rows(w.leaf("i32", "attn_inp_v_idxs", 2)) }, "no cache"},
		"a third of a slot": {func(w *text) { w.leaf("f32", "a.weight", 1, 9).rows(w.leaf("i32", "attn_inp_v_idxs", 3)) }, "wrong extents"},
		"terabytes": {func(w *text) {
			s := w.leaf("f32", "cache_s_l0", 1<<20, 1<<18)
			s.rows(w.leaf("i32", "rs_s_copy", 1))
		}, "take more than"},
	} {
		w := &text{}
		c.build(w)
		if _, err := read(t, w.String()).Feeds([]int32{1, 2}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", name, err, c.want)
		}
	}
}

// weightMap is a file.
type weightMap map[string]graph.Tensor

func (m weightMap) Tensor(name string) (graph.Tensor, error) {
	if t, ok := m[name]; ok {
		return t, nil
	}
	return graph.Tensor{}, fmt.Errorf("no %q", name)
}

// Weights come in the shapes of the text, which drops outer extents of 1.
func TestWeights(t *testing.T) {
	w := &text{}
	w.leaf("f32", "a.weight", 2, 1, 3).scale(1)
	w.leaf("f32", "b.weight", 2).scale(1)
	g := read(t, w.String())
	file := weightMap{
		"a.weight": graph.NewTensor(graph.ShapeOf(graph.F32, 1, 3, 1, 2)),
		"b.weight": graph.NewTensor(graph.ShapeOf(graph.F32, 1, 2)),
		"c.weight": graph.NewTensor(graph.ShapeOf(graph.F32, 1, 2)),
	}
	feeds, err := g.Weights(file)
	if err != nil || len(feeds) != 2 || feeds["a.weight"].Shape != graph.ShapeOf(graph.F32, 3, 1, 2) || feeds["b.weight"].Shape != graph.ShapeOf(graph.F32, 2) {
		t.Errorf("weights %v, error %v", feeds, err)
	}
	for name, bad := range map[string]graph.Shape{
		"extents": graph.ShapeOf(graph.F32, 3), "type": graph.ShapeOf(graph.F16, 2),
	} {
		file["b.weight"] = graph.NewTensor(bad)
		if _, err := g.Weights(file); err == nil || !strings.Contains(err.Error(), `tensor 2 "b.weight": the file has `) {
			t.Errorf("%s: error %v", name, err)
		}
	}
	delete(file, "b.weight")
	if _, err := g.Weights(file); err == nil || !strings.Contains(err.Error(), "b.weight") {
		t.Errorf("a missing weight: error %v", err)
	}
	if _, err := g.Source(file).Tensor("c.weight"); err != nil {
		t.Errorf("a weight that the graph does not have: %v", err)
	}
}

var _ ggml.Source = weightMap{}
