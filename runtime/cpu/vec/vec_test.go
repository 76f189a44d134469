package vec

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestExp(t *testing.T) {
	worst := 0.0
	for x := float32(-103); x < 88.7; x += 0.00137 {
		want := math.Exp(float64(x))
		ulp := float64(math.Nextafter32(float32(want), float32(math.Inf(1))) - float32(want))
		worst = max(worst, math.Abs(float64(exp(x))-want)/ulp)
	}
	if worst > 2 {
		t.Errorf("%.2f units in the last place", worst)
	}
	inf := float32(math.Inf(1))
	for _, c := range [][2]float32{{0, 1}, {inf, inf}, {-inf, 0}, {89, inf}, {-105, 0}, {1e30, inf}, {-1e30, 0}} {
		if y := exp(c[0]); y != c[1] {
			t.Errorf("exp(%v) = %v, want %v", c[0], y, c[1])
		}
	}
	if y := exp(float32(math.NaN())); y == y {
		t.Errorf("exp(NaN) = %v", y)
	}
}

func TestSilu(t *testing.T) {
	for _, x := range []float32{float32(math.Inf(-1)), -300, -100, -88, -1, 0, 1, 100, 3e38} {
		want := float64(x) / (1 + math.Exp(-float64(x)))
		if math.IsInf(float64(x), -1) {
			want = 0
		}
		if y := float64(silu(x)); math.Abs(y-want) > 1e-6*math.Abs(want)+1e-37 {
			t.Errorf("silu(%v) = %v, want %v", x, y, want)
		}
	}
}

func TestDot(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for n := range 70 {
		x, y := make([]float32, n), make([]float32, n+3)
		want, size := 0.0, 0.0
		for i := range x {
			x[i], y[i] = float32(r.NormFloat64()), float32(r.NormFloat64())
			want += float64(x[i]) * float64(y[i])
			size += math.Abs(float64(x[i]) * float64(y[i]))
		}
		if got := float64(Dot(x, y)); math.Abs(got-want) > 1e-6*size {
			t.Errorf("%d elements: %v, want %v", n, got, want)
		}
	}
}
