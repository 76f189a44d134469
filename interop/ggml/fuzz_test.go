package ggml_test

import (
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/deltaloom/deltaloom/interop/ggml"
	"github.com/deltaloom/deltaloom/ops"
)

// hold checks what holds for every text: an error, or a graph that can be run or
// says why not.
func hold(t *testing.T, text string) {
	t.Helper()
	g, err := ggml.Parse(strings.NewReader(text))
	if err != nil {
		if g != nil || !strings.HasPrefix(err.Error(), "ggml: ") {
			t.Fatalf("graph %v, error %v", g, err)
		}
		return
	}
	if err := g.Graph().Verify(); err != nil {
		t.Fatal(err)
	}
	size := 0
	for _, n := range g.Graph().Nodes() {
		if size += n.Out(0).Shape().Len(); size > 1<<18 {
			return
		}
	}
	g.Feeds(make([]int32, max(1, g.Tokens()))) // an error is fine
	ops.Run(g.Graph(), feedText(g.Graph(), nil))
}

// texts hold most ops and every kind of write.
func texts() []string {
	w := &text{}
	s := w.leaf("f32", "cache_s_l0", 2, 3)
	x := w.x(2, 2).transpose().mul(w.y(2)).set(s.view2(2, 1, 8, 8), 8)
	x.cpy(s.view2(2, 2, 8, 8))
	x.mulMat(s).unary("SOFT_MAX", bits(1)).cont(6).unary("SCALE", bits(2), bits(1)).reshape(3, 2).permute(1, 2, 0, 3).unary("EXP", 13)
	all := []string{inputsText(2).String(), w.String()}

	w = &text{}
	m := &family{text: w, T: 2}
	q := w.x(4, 2, 2, 1)
	o, next := m.deltaNet(q, q, q, w.leaf("f32", "inp_g", 1, 2, 2, 1), w.leaf("f32", "inp_beta", 1, 2, 2, 1), w.leaf("f32", "cache_s_l0", 32, 1).reshape(4, 4, 2, 1))
	next.cpy(w.leaf("f32", "cache_s_l0", 32, 1))
	o.cont()
	w.node("ROPE", []int{4, 2, 2}, []int{0, 4, 40, 0, 0, bits(1e4), bits(1), 0, bits(1), 0, 0, 1, 1, 0, 0}, q, w.leaf("i32", "inp_pos", 8))
	ids := w.add("ARGSORT", "order", "i32", []int{4, 4}, [4]int{}, nil, 0, []int{1}, q.reshape(4, 4)).view2(2, 4, 16, 0)
	w.leaf("f32", "w.weight", 4, 3, 4).mulMatID(q.reshape(4, 1, 4), ids)
	w.node("GET_ROWS", []int{1, 2, 4}, nil, q.reshape(1, 4, 4), ids)
	return append(all, w.String())
}

func FuzzParse(f *testing.F) {
	for _, s := range texts() {
		f.Add(s)
	}
	f.Fuzz(hold)
}

// FuzzEdits changes fields of good texts, which gets further than random bytes.
func FuzzEdits(f *testing.F) {
	all := texts()
	for seed := range uint64(2000) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		r := rand.New(rand.NewPCG(seed, 2))
		hold(t, edited(all[r.IntN(len(all))], r))
	})
}

// edited puts other numbers, ops and lines into a text.
func edited(text string, r *rand.Rand) string {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	other := func(field int) string { return strings.Split(lines[r.IntN(len(lines))], "|")[field] }
	numbers := []string{"0", "1", "2", "3", "4", "8", "12", "16", "32", "64", "-1", "2147483647", "4294967296", "281474976710656", "4611686018427387904", "9223372036854775807", "x", ""}
	for range 1 + r.IntN(3) {
		i := r.IntN(len(lines))
		f := strings.Split(lines[i], "|")
		k := r.IntN(len(f))
		switch {
		case r.IntN(12) == 0:
			lines = append(lines[:i:i], lines[min(i+1, len(lines)-1):]...)
			continue
		case r.IntN(3) == 0:
			f[k] = other(k)
		case k >= 5:
			words := strings.Split(f[k], ",")
			words[r.IntN(len(words))] = numbers[r.IntN(len(numbers))]
			if r.IntN(4) == 0 {
				words[r.IntN(len(words))] = strconv.Itoa(int(r.Uint32()))
			}
			f[k] = strings.Join(words, ",")
		default:
			f[k] = other(k)
		}
		lines[i] = strings.Join(f, "|")
	}
	return strings.Join(lines, "\n")
}
