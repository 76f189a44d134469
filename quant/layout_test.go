package quant

import (
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/deltaloom/deltaloom/graph"
)

// The block formats element by element, as the description of each reads: e is
// the element, b its block.

func f16At(b []byte, i int) float32 { return F16ToF32(binary.LittleEndian.Uint16(b[i:])) }

// low4 is the nibble of element e of 32 in qs.
func low4(qs []byte, e int) int {
	if e < 16 {
		return int(qs[e] & 15)
	}
	return int(qs[e-16] >> 4)
}

func bit(b []byte, i int) int { return int(b[i/8]>>(i%8)) & 1 }

func q8_0Element(b []byte, e int) float32 { return float32(int8(b[2+e])) * f16At(b, 0) }
func q4_0Element(b []byte, e int) float32 { return float32(low4(b[2:], e)-8) * f16At(b, 0) }

func q4_1Element(b []byte, e int) float32 {
	product := float32(low4(b[4:], e)) * f16At(b, 0)
	return product + f16At(b, 2)
}

func q5_0Element(b []byte, e int) float32 {
	return float32(low4(b[6:], e)+16*bit(b[2:], e)-16) * f16At(b, 0)
}

func q5_1Element(b []byte, e int) float32 {
	product := float32(low4(b[8:], e)+16*bit(b[4:], e)) * f16At(b, 0)
	return product + f16At(b, 2)
}

var iq4Values = [16]float32{-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113}

func iq4_NLElement(b []byte, e int) float32 { return f16At(b, 0) * iq4Values[low4(b[2:], e)] }

func mxfp4Element(b []byte, e int) float32 {
	q := low4(b[1:], e)
	v := [8]float64{0, 0.5, 1, 1.5, 2, 3, 4, 6}[q&7] * math.Exp2(float64(b[0])-127) // E2M1, E8M0
	if q >= 8 {
		v = 0 - v // no -0: of parts that are whole numbers, none has it
	}
	return float32(v)
}

func q2_KElement(b []byte, e int) float32 {
	n, r := e/128, e%128
	j, l := r/32, r%32
	q := b[16+32*n+l] >> (2 * j) & 3
	sc := b[8*n+2*j+l/16]
	product := f16At(b, 80) * float32(sc&15) * float32(q)
	return product - f16At(b, 82)*float32(sc>>4)
}

func q3_KElement(b []byte, e int) float32 {
	hmask, qs, scales := b[:32], b[32:96], b[96:108]
	n, r := e/128, e%128
	j, l := r/32, r%32
	q := int(qs[32*n+l] >> (2 * j) & 3)
	if hmask[l]>>(4*n+j)&1 == 0 {
		q -= 4
	}
	k := 8*n + 2*j + l/16
	low := scales[k%8] & 15
	if k >= 8 {
		low = scales[k-8] >> 4
	}
	high := scales[8+k%4] >> (2 * (k / 4)) & 3
	return f16At(b, 108) * float32(int(low|high<<4)-32) * float32(q)
}

// pairElement is element e of Q4_K and Q5_K, whose number is q.
func pairElement(b []byte, k, q int) float32 {
	s := b[4:16]
	var sc, mn byte
	if k < 4 {
		sc, mn = s[k]&63, s[k+4]&63
	} else {
		sc = s[k+4]&15 | (s[k-4]>>6)<<4
		mn = s[k+4]>>4 | (s[k]>>6)<<4
	}
	product := f16At(b, 0) * float32(sc) * float32(q)
	return product - f16At(b, 2)*float32(mn)
}

func q4_KElement(b []byte, e int) float32 {
	c, l, upper := e/64, e%32, e%64/32
	return pairElement(b, 2*c+upper, int(b[16+32*c+l]>>(4*upper)&15))
}

func q5_KElement(b []byte, e int) float32 {
	c, l, upper := e/64, e%32, e%64/32
	q := int(b[48+32*c+l] >> (4 * upper) & 15)
	if b[16+l]>>(2*c+upper)&1 == 1 {
		q += 16
	}
	return pairElement(b, 2*c+upper, q)
}

func q6_KElement(b []byte, e int) float32 {
	ql, qh, scales := b[:128], b[128:192], b[192:208]
	n, r := e/128, e%128
	j, l := r/32, r%32
	low := ql[64*n+l+32*(j&1)]
	if j < 2 {
		low &= 15
	} else {
		low >>= 4
	}
	high := qh[32*n+l] >> (2 * j) & 3
	return f16At(b, 208) * float32(int8(scales[8*n+2*j+l/16])) * float32(int(low|high<<4)-32)
}

func iq4_XSElement(b []byte, e int) float32 {
	g, l := e/32, e%16
	q := b[8+16*g+l] & 15
	if e%32/16 == 1 {
		q = b[8+16*g+l] >> 4
	}
	ls := int(b[4+g/2]>>(4*(g%2))&15) | int(binary.LittleEndian.Uint16(b[2:])>>(2*g)&3)<<4
	return f16At(b, 0) * float32(ls-32) * iq4Values[q]
}

// blockFormat is what the tests of the block formats need.
type blockFormat struct {
	dt      graph.DType
	element func(b []byte, e int) float32
	halves  []int                       // where numbers in f16 are
	plain   func(x []float32) []float32 // a block after a plain rounding, which packing must not fall behind
	rms     float64                     // see TestPackNormal
}

var blockFormats = []blockFormat{
	{graph.Q4_0, q4_0Element, []int{0}, plainScaled(32, 8, 0), 0.083},
	{graph.Q4_1, q4_1Element, []int{0, 2}, plainAffine(32, 15, 0), 0.071},
	{graph.Q5_0, q5_0Element, []int{0}, plainScaled(32, 16, 0), 0.0415},
	{graph.Q5_1, q5_1Element, []int{0, 2}, plainAffine(32, 31, 0), 0.0345},
	{graph.Q8_0, q8_0Element, []int{0}, plainScaled(32, 128, 0), 0.0055},
	{graph.Q2_K, q2_KElement, []int{80, 82}, plainAffine(16, 3, 15), 0.268},
	{graph.Q3_K, q3_KElement, []int{108}, plainScaled(16, 4, 32), 0.148},
	{graph.Q4_K, q4_KElement, []int{0, 2}, plainAffine(32, 15, 63), 0.072},
	{graph.Q5_K, q5_KElement, []int{0, 2}, plainAffine(32, 31, 63), 0.0356},
	{graph.Q6_K, q6_KElement, []int{208}, plainScaled(16, 32, 128), 0.0178},
	{graph.IQ4_NL, iq4_NLElement, []int{0}, plainIQ4, 0.076},
	{graph.IQ4_XS, iq4_XSElement, []int{0}, plainIQ4, 0.0765},
	{graph.MXFP4, mxfp4Element, nil, plainMXFP4, 0.1145},
}

func (f blockFormat) pack(t *testing.T, x []float32) []byte {
	t.Helper()
	b := make([]byte, f.dt.Bytes(len(x)))
	if err := Pack(f.dt, b, x); err != nil {
		t.Fatal(err)
	}
	return b
}

func (f blockFormat) unpack(t *testing.T, b []byte) []float32 {
	t.Helper()
	n, size := f.dt.Block()
	y := make([]float32, len(b)/size*n)
	if err := Unpack(f.dt, y, b); err != nil {
		t.Fatal(err)
	}
	return y
}

// random returns blocks of random bytes whose scales are numbers.
func (f blockFormat) random(r *rand.Rand, blocks int) []byte {
	_, size := f.dt.Block()
	b := make([]byte, blocks*size)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	for block := range blocks {
		for _, at := range f.halves {
			binary.LittleEndian.PutUint16(b[block*size+at:], F32ToF16(float32(r.NormFloat64())))
		}
	}
	return b
}

// Every block format is among those tested here.
func TestBlockFormatsAreComplete(t *testing.T) {
	for dt := range codecs {
		n, _ := dt.Block()
		if listed := slices.ContainsFunc(blockFormats, func(f blockFormat) bool { return f.dt == dt }); listed != (n > 1) {
			t.Errorf("%v: %d elements a block, in the list of block formats: %v", dt, n, listed)
		}
	}
}

// Random bytes, so that every bit counts.
func TestLayout(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 7))
	for _, f := range blockFormats {
		n, size := f.dt.Block()
		b := f.random(r, 20)
		for i, v := range f.unpack(t, b) {
			if want := f.element(b[i/n*size:], i%n); !sameBits(v, want) {
				t.Fatalf("%v: element %d: %g, want %g", f.dt, i, v, want)
			}
		}
	}
}

// All scales of MXFP4, the denormal ones included.
func TestMXFP4Scales(t *testing.T) {
	b := make([]byte, 17)
	for e := range 256 {
		b[0], b[1], b[16] = byte(e), 0xf1, 7
		y := blockFormat{dt: graph.MXFP4}.unpack(t, b)
		for _, i := range []int{0, 15, 16} {
			if want := mxfp4Element(b, i); !sameBits(y[i], want) {
				t.Errorf("e = %d: element %d: %g, want %g", e, i, y[i], want)
			}
		}
	}
}

func TestPairs(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 7))
	for range 100 {
		var scale, low [8]byte
		for k := range 8 {
			scale[k], low[k] = byte(r.IntN(64)), byte(r.IntN(64))
		}
		s := make([]byte, pairBytes)
		putPairs(s, scale[:], low[:])
		for k := range 8 {
			if a, b := pair(s, k); a != scale[k] || b != low[k] {
				t.Fatalf("pair %d: %d %d, want %d %d", k, a, b, scale[k], low[k])
			}
		}
	}
}

func TestCodebook(t *testing.T) {
	for _, c := range []codebook{iq4Book, mxfp4Book} {
		for v := float32(-200); v < 200; v += 1.0 / 16 {
			near := c.near(v)
			for _, value := range c.values {
				if math.Abs(float64(v-value)) < math.Abs(float64(v-near)) {
					t.Fatalf("%g is nearer to %g than to %g", v, value, near)
				}
			}
		}
	}
}

// The parts of random blocks make their elements, whatever the scales are: NaN,
// infinities and denormal numbers too.
func TestSplit(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 7))
	for _, f := range blockFormats {
		n, size := f.dt.Block()
		group, minima := Groups(f.dt)
		b := f.random(r, 40)
		special := []uint16{0x7e00, 0x7c00, 0xfc00, 0x0001, 0x8000, 0x7bff}
		for i, bits := range special {
			for j, at := range f.halves {
				binary.LittleEndian.PutUint16(b[(2*i+j)*size+at:], bits)
			}
		}
		elements := len(b) / size * n
		q := make([]int8, elements)
		scales := make([]float32, elements/group)
		var mins []float32
		if minima {
			mins = make([]float32, len(scales))
		}
		if err := Split(f.dt, q, scales, mins, b); err != nil {
			t.Fatal(err)
		}
		for i := range q {
			got := scales[i/group] * float32(q[i])
			if minima {
				got -= mins[i/group]
			}
			want := f.element(b[i/n*size:], i%n)
			if !sameBits(got, want) {
				t.Fatalf("%v: element %d is %g, its parts make %g", f.dt, i, want, got)
			}
		}
	}
}

func TestSplitErrors(t *testing.T) {
	for _, dt := range []graph.DType{graph.F32, graph.BF16, graph.I32, graph.Invalid, graph.DType(200)} {
		if err := Split(dt, nil, nil, nil, nil); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%v: error %v", dt, err)
		}
		if group, _ := Groups(dt); group != 0 {
			t.Errorf("%v: groups of %d", dt, group)
		}
	}
	for name, err := range map[string]error{
		"bytes":    Split(graph.Q8_0, make([]int8, 32), make([]float32, 1), nil, make([]byte, 33)),
		"elements": Split(graph.Q8_0, make([]int8, 33), make([]float32, 1), nil, make([]byte, 34)),
		"scales":   Split(graph.Q8_0, make([]int8, 32), make([]float32, 2), nil, make([]byte, 34)),
		"minima":   Split(graph.Q4_K, make([]int8, 256), make([]float32, 8), nil, make([]byte, 144)),
	} {
		if err == nil {
			t.Errorf("wrong number of %s: no error", name)
		}
	}
}
