package quant

import (
	"math"
	"testing"
)

func TestF16Values(t *testing.T) {
	nan := math.Float32frombits(0x7fc00000)
	lowPayload := math.Float32frombits(0x7f800001) // all payload bits below the half's mantissa
	inf := float32(math.Inf(1))
	for _, c := range []struct {
		in   float32
		want uint16
	}{
		{0, 0x0000}, {float32(math.Copysign(0, -1)), 0x8000},
		{1, 0x3c00}, {-2, 0xc000}, {65504, 0x7bff}, {0x1p-14, 0x0400},
		{1 + 0x1p-11, 0x3c00},           // tie to even, down
		{1 + 3*0x1p-11, 0x3c02},         // tie to even, up
		{1 + 0x1p-11 + 0x1p-23, 0x3c01}, // just above a tie
		{2 - 0x1p-12, 0x4000},           // carry into the exponent
		{65519.996, 0x7bff}, {65520, 0x7c00}, {1e30, 0x7c00}, {-1e30, 0xfc00},
		{inf, 0x7c00}, {-inf, 0xfc00}, {nan, 0x7e00}, {lowPayload, 0x7e00},
		{0x1p-24, 0x0001}, {0x1p-25, 0x0000}, {-0x1p-25, 0x8000}, {0x1.000002p-25, 0x0001},
		{3 * 0x1p-25, 0x0002}, {5 * 0x1p-25, 0x0002}, {0x1p-26, 0x0000}, {1e-40, 0x0000},
		{0x1p-14 - 0x1p-24, 0x03ff}, {0x1p-14 - 0x1p-25, 0x0400}, // subnormal tie that becomes normal
	} {
		if got := F32ToF16(c.in); got != c.want {
			t.Errorf("F32ToF16(%g %#x) = %#04x, want %#04x", c.in, math.Float32bits(c.in), got, c.want)
		}
	}
}

// halfValue computes the value of a half from the definition of the format.
func halfValue(h uint16) float64 {
	sign := 1 - 2*float64(h>>15)
	exp, mant := int(h>>10&31), float64(h&1023)
	switch exp {
	case 0:
		return sign * math.Ldexp(mant, -24)
	case 31:
		if mant != 0 {
			return math.NaN()
		}
		return math.Inf(int(sign))
	}
	return sign * math.Ldexp(1024+mant, exp-25)
}

func TestF16AllBits(t *testing.T) {
	for i := range 1 << 16 {
		h := uint16(i)
		f, want := F16ToF32(h), halfValue(h)
		if math.IsNaN(want) {
			if f == f || F32ToF16(f)&^0x200 != h&^0x200 { // the quiet bit may be set
				t.Fatalf("%#04x: NaN became %g, back %#04x", h, f, F32ToF16(f))
			}
			continue
		}
		if float64(f) != want || math.Signbit(float64(f)) != (h>>15 == 1) {
			t.Fatalf("F16ToF32(%#04x) = %g, want %g", h, f, want)
		}
		if back := F32ToF16(f); back != h {
			t.Fatalf("%#04x came back as %#04x", h, back)
		}
	}
}

// Between any two neighbouring halves: below the middle goes down, above it up,
// the middle itself to the even one.
func TestF16Neighbours(t *testing.T) {
	for h := uint16(0); h < 0x7bff; h++ {
		mid := float32((halfValue(h) + halfValue(h+1)) / 2) // exact: 12 bits
		even := h + h&1
		for _, c := range []struct {
			x    float32
			want uint16
		}{{mid, even}, {math.Nextafter32(mid, 0), h}, {math.Nextafter32(mid, 1e9), h + 1}} {
			if got := F32ToF16(c.x); got != c.want {
				t.Fatalf("F32ToF16(%g) = %#04x, want %#04x", c.x, got, c.want)
			}
			if got := F32ToF16(-c.x); got != c.want|0x8000 {
				t.Fatalf("F32ToF16(%g) = %#04x, want %#04x", -c.x, got, c.want|0x8000)
			}
		}
	}
}

func TestBF16(t *testing.T) {
	for i := range 1 << 16 {
		h := uint16(i)
		f := BF16ToF32(h)
		want := h
		if f != f {
			want |= 0x40
		}
		if got := F32ToBF16(f); got != want {
			t.Fatalf("%#04x came back as %#04x", h, got)
		}
	}
	for _, c := range []struct{ in, want uint32 }{ // f32 bits, bf16 bits
		{0x3f808000, 0x3f80}, // tie, even below
		{0x3f818000, 0x3f82}, // tie, even above
		{0x3f808001, 0x3f81},
		{0x3f807fff, 0x3f80},
		{0x7f7fffff, 0x7f80}, // largest f32 overflows to infinity
		{0x00008000, 0x0000}, // subnormals round as all others
		{0x00018000, 0x0002},
		{0x80000000, 0x8000},
		{0x7f800001, 0x7fc0}, // a NaN whose payload is in the dropped bits
		{0xffc00000, 0xffc0},
	} {
		if got := F32ToBF16(math.Float32frombits(c.in)); uint32(got) != c.want {
			t.Errorf("F32ToBF16(%#08x) = %#04x, want %#04x", c.in, got, c.want)
		}
	}
}
