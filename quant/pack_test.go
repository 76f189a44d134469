package quant

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

func squared(x, y []float32) (diff, sum float64) {
	for i := range x {
		d := float64(x[i]) - float64(y[i])
		diff += d * d
		sum += float64(x[i]) * float64(x[i])
	}
	return diff, sum
}

func normals(r *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return x
}

// What packing leaves of normal numbers, in units of their rms. A grid of step s
// leaves s/√12. Of 32 normal numbers the range is 4.1 and the largest magnitude
// 2.3 on average, of 16 it is 3.5 and 2.0, so that n levels over the range leave
// 4.1/(n-1)/√12, with 16 levels 0.079; n levels around 0 leave 2·2.3/n/√12, with
// 16 levels 0.083. The fit gains some per cent where levels are few, and a scale
// of few bits loses some. The steps of MXFP4 grow with the number, to a third of
// it at the worst, and the scale is a power of two.
func TestPackNormal(t *testing.T) {
	x := normals(rand.New(rand.NewPCG(3, 7)), 1<<17)
	for _, f := range blockFormats {
		diff, sum := squared(x, f.unpack(t, f.pack(t, x)))
		rms := math.Sqrt(diff / sum)
		t.Logf("%v: %.5f", f.dt, rms)
		if !(rms <= f.rms) || rms < 0.9*f.rms {
			t.Errorf("%v: rms error %.4f, want at most %g, and the limit not idle", f.dt, rms, f.rms)
		}
	}
}

// Blocks of many kinds: packing leaves less than a plain rounding does, and what
// is packed again hardly changes.
func TestPackKinds(t *testing.T) {
	for _, f := range blockFormats {
		for name, draw := range map[string]func(r *rand.Rand, i int) float64{
			"normal":     func(r *rand.Rand, _ int) float64 { return r.NormFloat64() },
			"uniform":    func(r *rand.Rand, _ int) float64 { return r.Float64() - 0.5 },
			"small":      func(r *rand.Rand, _ int) float64 { return 1e-3 * r.NormFloat64() },
			"positive":   func(r *rand.Rand, _ int) float64 { return 1 + r.Float64() },
			"negative":   func(r *rand.Rand, _ int) float64 { return -1 - r.Float64() },
			"heavy tail": func(r *rand.Rand, _ int) float64 { return math.Pow(r.NormFloat64(), 3) },
			"two sizes":  func(r *rand.Rand, i int) float64 { return r.NormFloat64() * []float64{1, 0.01}[i/128] },
		} {
			t.Run(fmt.Sprintf("%v %s", f.dt, name), func(t *testing.T) {
				r := rand.New(rand.NewPCG(3, 7))
				x := make([]float32, 256*40)
				for i := range x {
					x[i] = float32(draw(r, i%256))
				}
				y := f.unpack(t, f.pack(t, x))
				n, _ := f.dt.Block()
				total := 0.0
				for at := 0; at < len(x); at += n {
					plain, _ := squared(x[at:at+n], f.plain(x[at:at+n]))
					total += plain
				}
				diff, sum := squared(x, y)
				again, _ := squared(y, f.unpack(t, f.pack(t, y)))
				t.Logf("NMSE %.3g, plain %.3g, packed again %.3g", diff/sum, total/sum, again/sum)
				if diff > 1.03*total { // the reference of Q8_0 does not search
					t.Errorf("NMSE %g, a plain rounding %g", diff/sum, total/sum)
				}
				if again > 0.1*diff {
					t.Errorf("packed again NMSE %g", again/sum)
				}
			})
		}
	}
}

func TestSpecialBlocks(t *testing.T) {
	for _, f := range blockFormats {
		n, _ := f.dt.Block()
		for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
			x := make([]float32, 2*n)
			x[n+n/2], x[7] = float32(bad), 1
			y := f.unpack(t, f.pack(t, x))
			for i, v := range y {
				if faulty := !finite(y[i : i+1]); faulty != (i >= n) {
					t.Fatalf("%v with %v: element %d is %g", f.dt, bad, i, v)
				}
			}
			if y[7] < 0.9 || y[7] > 1.1 {
				t.Errorf("%v: a block suffers from the next one: 1 became %g", f.dt, y[7])
			}
		}
		// Numbers that a level of each format hits come back as they are.
		for _, c := range []float32{0, 1, -1, 0.5, -48} {
			x := make([]float32, 256)
			for i := range x {
				x[i] = c
			}
			for i, v := range f.unpack(t, f.pack(t, x)) {
				if math.Abs(float64(v-c)) > 1e-3*math.Abs(float64(c)) {
					t.Fatalf("%v: element %d: %g became %g", f.dt, i, c, v)
				}
			}
		}
		tiny := make([]float32, 256)
		for i := range tiny {
			tiny[i] = float32(i-128) * 1e-42
		}
		for i, v := range f.unpack(t, f.pack(t, tiny)) {
			if math.Abs(float64(v)) > 1e-6 {
				t.Fatalf("%v: element %d: %g became %g", f.dt, i, tiny[i], v)
			}
		}
	}
}

// Numbers of all magnitudes, f32's largest and smallest included, never make a
// code that is out of its bits, which would spoil its neighbours. Beyond f16 the
// scale has no digits, or the block is too large.
func TestPackMagnitudes(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 7))
	for _, f := range blockFormats {
		for exp := -149; exp < 128; exp++ {
			x := make([]float32, 256)
			for i := range x {
				x[i] = float32(math.Ldexp(1+r.Float64(), exp)) * float32(1-2*(i&1))
			}
			for i, v := range f.unpack(t, f.pack(t, x)) {
				limit := math.Ldexp(0.7, exp) + 0x1p-10
				if e := math.Abs(float64(v) - float64(x[i])); exp < 10 && !(e <= limit) {
					t.Fatalf("%v: element %d: %g became %g", f.dt, i, x[i], v)
				}
			}
		}
	}
}

// Blocks are independent, and the same numbers give the same bytes.
func TestBlocksAreIndependent(t *testing.T) {
	x := normals(rand.New(rand.NewPCG(4, 7)), 1024)
	for _, f := range blockFormats {
		n, _ := f.dt.Block()
		var one []byte
		for at := 0; at < len(x); at += n {
			one = append(one, f.pack(t, x[at:at+n])...)
		}
		if !bytes.Equal(one, f.pack(t, x)) {
			t.Errorf("%v: blocks depend on each other", f.dt)
		}
	}
}

func BenchmarkPack(b *testing.B)   { benchmark(b, true) }
func BenchmarkUnpack(b *testing.B) { benchmark(b, false) }

func benchmark(b *testing.B, pack bool) {
	x := normals(rand.New(rand.NewPCG(5, 7)), 256*16)
	for _, dt := range Types() {
		b.Run(dt.String(), func(b *testing.B) {
			packed := make([]byte, dt.Bytes(len(x)))
			Pack(dt, packed, x)
			for b.Loop() {
				if pack {
					Pack(dt, packed, x)
				} else {
					Unpack(dt, x, packed)
				}
			}
			b.ReportMetric(float64(len(x))*float64(b.N)/b.Elapsed().Seconds()/1e6, "Melem/s")
		})
	}
}
