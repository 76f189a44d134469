package quant

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/deltaloom/deltaloom/graph"
)

// The formats element by element, as the description of the format reads.

func q4_KElement(b []byte, e int) float32 {
	d, dmin := F16ToF32(binary.LittleEndian.Uint16(b)), F16ToF32(binary.LittleEndian.Uint16(b[2:]))
	s, qs := b[4:16], b[16:144]
	c, r := e/64, e%64
	l, upper := r%32, r/32
	q, k := qs[32*c+l]&15, 2*c+upper
	if upper == 1 {
		q = qs[32*c+l] >> 4
	}
	var sc, mn byte
	if k < 4 {
		sc, mn = s[k]&63, s[k+4]&63
	} else {
		sc = s[k+4]&15 | (s[k-4]>>6)<<4
		mn = s[k+4]>>4 | (s[k]>>6)<<4
	}
	product := d * float32(sc) * float32(q)
	return product - dmin*float32(mn)
}

func q6_KElement(b []byte, e int) float32 {
	ql, qh, scales, d := b[:128], b[128:192], b[192:208], F16ToF32(binary.LittleEndian.Uint16(b[208:]))
	n, r := e/128, e%128
	j, l := r/32, r%32
	low := ql[64*n+l+32*(j&1)]
	if j < 2 {
		low &= 15
	} else {
		low >>= 4
	}
	high := qh[32*n+l] >> (2 * j) & 3
	return d * float32(int8(scales[8*n+2*j+l/16])) * float32(int(low|high<<4)-32)
}

// kFormat is what the tests of both formats need.
type kFormat struct {
	dt      graph.DType
	element func(b []byte, e int) float32
	normal  float64 // NMSE that is left of normal numbers
	plain   func(x []float32) []float32
}

var kFormats = []kFormat{
	{graph.Q4_K, q4_KElement, 5.2e-3, plainQ4_K},
	{graph.Q6_K, q6_KElement, 3.4e-4, plainQ6_K},
}

func (f kFormat) pack(t *testing.T, x []float32) []byte {
	t.Helper()
	b := make([]byte, f.dt.Bytes(len(x)))
	if err := Pack(f.dt, b, x); err != nil {
		t.Fatal(err)
	}
	return b
}

func (f kFormat) unpack(t *testing.T, b []byte) []float32 {
	t.Helper()
	_, size := f.dt.Block()
	y := make([]float32, len(b)/size*256)
	if err := Unpack(f.dt, y, b); err != nil {
		t.Fatal(err)
	}
	return y
}

// plainQ4_K is what becomes of a block with the scale and the minimum that its
// range gives, which is the least that packing has to reach.
func plainQ4_K(x []float32) []float32 {
	var scale, low [8]float64
	for k := range 8 {
		lo, hi := 0.0, math.Inf(-1)
		for _, v := range x[32*k : 32*k+32] {
			lo, hi = min(lo, float64(v)), max(hi, float64(v))
		}
		scale[k], low[k] = (hi-lo)/15, -lo
	}
	d, dmin := 0.0, 0.0
	for k := range 8 {
		d, dmin = max(d, scale[k]/63), max(dmin, low[k]/63)
	}
	d, dmin = float64(F16ToF32(F32ToF16(float32(d)))), float64(F16ToF32(F32ToF16(float32(dmin))))
	y := make([]float32, 256)
	for i, v := range x {
		s, m := d*math.Round(scale[i/32]/d), 0.0
		if dmin > 0 {
			m = dmin * math.Round(low[i/32]/dmin)
		}
		y[i] = float32(s*min(15, max(0, math.Round((float64(v)+m)/s))) - m)
	}
	return y
}

func plainQ6_K(x []float32) []float32 {
	var scale [16]float64
	d := 0.0
	for k := range scale {
		scale[k] = float64(maxAbs(x[16*k:16*k+16])) / 31
		d = max(d, scale[k]/127)
	}
	d = float64(F16ToF32(F32ToF16(float32(d))))
	y := make([]float32, 256)
	for i, v := range x {
		s := d * math.Round(scale[i/16]/d)
		y[i] = float32(s * min(31, max(-31, math.Round(float64(v)/s))))
	}
	return y
}

// Random bytes, so that every bit counts.
func TestKLayout(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 7))
	for _, f := range kFormats {
		_, size := f.dt.Block()
		b := make([]byte, 3*size)
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		for block := range 3 { // scales that are numbers
			for _, at := range map[graph.DType][]int{graph.Q4_K: {0, 2}, graph.Q6_K: {208}}[f.dt] {
				binary.LittleEndian.PutUint16(b[block*size+at:], F32ToF16(float32(r.NormFloat64())))
			}
		}
		for i, v := range f.unpack(t, b) {
			if want := f.element(b[i/256*size:], i%256); !sameBits(v, want) {
				t.Fatalf("%v: element %d: %g, want %g", f.dt, i, v, want)
			}
		}
	}
}

func TestKPairs(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 7))
	for range 100 {
		var scale, low [8]byte
		for k := range 8 {
			scale[k], low[k] = byte(r.IntN(64)), byte(r.IntN(64))
		}
		s := make([]byte, pairBytes)
		putPairs(s, &scale, &low)
		for k := range 8 {
			if a, b := pair(s, k); a != scale[k] || b != low[k] {
				t.Fatalf("pair %d: %d %d, want %d %d", k, a, b, scale[k], low[k])
			}
		}
	}
}

func squared(x, y []float32) (diff, sum float64) {
	for i := range x {
		d := float64(x[i]) - float64(y[i])
		diff += d * d
		sum += float64(x[i]) * float64(x[i])
	}
	return diff, sum
}

// What packing leaves of blocks of many kinds: never more than a plain rounding
// does, and what is packed again hardly changes.
func TestKPack(t *testing.T) {
	for _, f := range kFormats {
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
				b := f.pack(t, x)
				y := f.unpack(t, b)
				for at := 0; at < len(x); at += 256 {
					diff, _ := squared(x[at:at+256], y[at:at+256])
					plain, _ := squared(x[at:at+256], f.plain(x[at:at+256]))
					if diff > plain {
						t.Fatalf("block %d: error %g, a plain rounding %g", at/256, diff, plain)
					}
				}
				diff, sum := squared(x, y)
				again, _ := squared(y, f.unpack(t, f.pack(t, y)))
				t.Logf("NMSE %.3g, packed again %.3g", diff/sum, again/sum)
				if name == "normal" && diff > f.normal*sum {
					t.Errorf("NMSE %g, want at most %g", diff/sum, f.normal)
				}
				if again > 0.05*diff {
					t.Errorf("packed again NMSE %g", again/sum)
				}
			})
		}
	}
}

func TestKSpecialBlocks(t *testing.T) {
	for _, f := range kFormats {
		for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
			x := make([]float32, 512)
			x[300], x[7] = float32(bad), 1
			y := f.unpack(t, f.pack(t, x))
			for i, v := range y {
				if isNaN := v != v; isNaN != (i >= 256) {
					t.Fatalf("%v with %v: element %d is %g", f.dt, bad, i, v)
				}
			}
			if y[7] < 0.9 || y[7] > 1.1 {
				t.Errorf("%v: a block suffers from the next one: 1 became %g", f.dt, y[7])
			}
		}
		// Numbers that levels hit exactly come back as they are.
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

// Blocks are independent, and the same numbers give the same bytes.
func TestKBlocksAreIndependent(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 7))
	x := make([]float32, 1024)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	for _, f := range kFormats {
		var one []byte
		for at := 0; at < len(x); at += 256 {
			one = append(one, f.pack(t, x[at:at+256])...)
		}
		if !bytes.Equal(one, f.pack(t, x)) {
			t.Errorf("%v: blocks depend on each other", f.dt)
		}
	}
}

func BenchmarkPackK(b *testing.B) {
	r := rand.New(rand.NewPCG(5, 7))
	x := make([]float32, 256*16)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	for _, f := range kFormats {
		b.Run(f.dt.String(), func(b *testing.B) {
			dst := make([]byte, f.dt.Bytes(len(x)))
			b.SetBytes(int64(4 * len(x)))
			for b.Loop() {
				Pack(f.dt, dst, x)
			}
		})
	}
}
