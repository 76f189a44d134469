package graph_test

import (
	"math"
	"slices"
	"testing"

	"github.com/deltaloom/deltaloom/graph"
)

func TestShape(t *testing.T) {
	s := graph.ShapeOf(graph.F16, 2, 3, 5)
	if s.String() != "f16[2 3 5]" || s.Rank() != 3 || s.Len() != 30 || s.Bytes() != 60 || !s.Valid() {
		t.Errorf("%v rank %d len %d bytes %d", s, s.Rank(), s.Len(), s.Bytes())
	}
	for i, want := range map[int]int{0: 2, 2: 5, -1: 5, -3: 2, 3: 1, -4: 1, 99: 1, -99: 1} {
		if s.Dim(i) != want {
			t.Errorf("Dim(%d) = %d, want %d", i, s.Dim(i), want)
		}
	}
	s.Dims()[0] = 7
	if s != graph.ShapeOf(graph.F16, 2, 3, 5) || s == graph.ShapeOf(graph.F16, 2, 3) || s == s.With(2, 3, 5, 1) {
		t.Error("shapes do not compare as values")
	}
	if graph.ShapeOf(graph.Q4_K, 3, 512).Bytes() != 3*2*144 {
		t.Error("bytes of blocks")
	}
	if scalar := f32(); scalar.Rank() != 0 || scalar.Len() != 1 || scalar.String() != "f32[]" {
		t.Errorf("scalar: %v", scalar)
	}
	if zero := (graph.Shape{}); zero.Valid() || zero.String() != "invalid[]" || zero.With(2).Valid() {
		t.Errorf("zero Shape: %v", zero)
	}
}

func TestShapesOutOfRange(t *testing.T) {
	for _, dims := range [][]int{
		{0}, {-1}, {2, 0, 2}, {math.MinInt}, {math.MaxInt}, {1<<48 + 1}, {1 << 24, 1 << 24, 2},
		{1 << 62, 4}, {math.MaxInt, math.MaxInt}, {1, 1, 1, 1, 1, 1, 1},
	} {
		if graph.ShapeOf(graph.F32, dims...).Valid() || graph.CheckDims(dims) == nil {
			t.Errorf("%v is taken", dims)
		}
	}
	for _, dims := range [][]int{nil, {1}, {1 << 48}, {1 << 24, 1 << 24}, {1, 1, 1, 1, 1, 1}} {
		if s := f32(dims...); !s.Valid() || graph.CheckDims(dims) != nil || s.Bytes() < 4 {
			t.Errorf("%v is refused", dims)
		}
	}
}

func TestParseShape(t *testing.T) {
	for _, s := range []string{"f32[]", "f32[1]", "q8_0[2 32]", "i32[1 2 3 4 5 6]", "iq4_xs[256]"} {
		if got, err := graph.ParseShape(s); err != nil || got.String() != s {
			t.Errorf("%s: %v %v", s, got, err)
		}
	}
	for _, s := range []string{
		"", "f32", "f32[", "f32]", "[2]", "f33[2]", "invalid[]", "f32[2", "f32[2,3]", "f32[x]", "f32[0]", "f32[-2]",
		"f32[2.5]", "f32[99999999999999999999]", "f32[9223372036854775807 9]", "f32[1 1 1 1 1 1 1]", "f32[2]]",
	} {
		if got, err := graph.ParseShape(s); err == nil {
			t.Errorf("%s gives %v", s, got)
		}
	}
}

func TestDTypes(t *testing.T) {
	count := 0
	for d := graph.F32; ; d++ {
		if _, bytes := d.Block(); bytes == 0 {
			break
		}
		count++
		if got, err := graph.ParseDType(d.String()); err != nil || got != d {
			t.Errorf("%v: %v %v", d, got, err)
		}
		elements, bytes := d.Block()
		if d.Bytes(3*elements) != int64(3*bytes) {
			t.Errorf("%v: 3 blocks take %d bytes", d, d.Bytes(3*elements))
		}
	}
	if count != 17 {
		t.Errorf("%d types", count)
	}
	for _, s := range []string{"", "invalid", "F32", "f64"} {
		if d, err := graph.ParseDType(s); err == nil {
			t.Errorf("%q gives %v", s, d)
		}
	}
	if s := graph.DType(200).String(); s != "dtype(200)" || graph.DType(200).Bytes(8) != 0 {
		t.Error(s)
	}
}

func TestInts(t *testing.T) {
	l := graph.IntsOf(3, -1, 4)
	if l.Len() != 3 || l.At(1) != -1 || l.String() != "[3 -1 4]" || !slices.Equal(l.Slice(), []int{3, -1, 4}) {
		t.Error(l)
	}
	if l != graph.IntsOf(3, -1, 4) || l == graph.IntsOf(3, -1) || graph.IntsOf(0) == graph.IntsOf() {
		t.Error("lists do not compare as values")
	}
	if graph.IntsOf(1, 2, 3, 4, 5, 6, 7) != (graph.Ints{}) {
		t.Error("seven values fit")
	}
}

func TestTensorCheck(t *testing.T) {
	for _, s := range []graph.Shape{f32(), f32(2, 3), graph.ShapeOf(graph.I32, 4), graph.ShapeOf(graph.BF16, 3), graph.ShapeOf(graph.Q8_0, 2, 64)} {
		x := graph.NewTensor(s)
		if err := x.Check(); err != nil {
			t.Error(err)
		}
		x.Shape = s.With(append(s.Dims(), 5)...)
		if x.Check() == nil {
			t.Errorf("the memory of %v passes for %v", s, x.Shape)
		}
	}
	if (graph.Tensor{}).Check() == nil {
		t.Error("the zero Tensor passes")
	}
}
