package quant

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/deltaloom/deltaloom/graph"
)

func TestPlainLayout(t *testing.T) {
	x := []float32{1, -2.5}
	for _, c := range []struct {
		dt  graph.DType
		hex string
	}{
		{graph.F32, "0000803f000020c0"},
		{graph.F16, "003c00c1"},
		{graph.BF16, "803f20c0"},
	} {
		b := make([]byte, c.dt.Bytes(len(x)))
		if err := Pack(c.dt, b, x); err != nil {
			t.Fatal(err)
		}
		if got := hex.EncodeToString(b); got != c.hex {
			t.Errorf("%v: packed %s, want %s", c.dt, got, c.hex)
		}
		back := make([]float32, len(x))
		if err := Unpack(c.dt, back, b); err != nil {
			t.Fatal(err)
		}
		if back[0] != x[0] || back[1] != x[1] {
			t.Errorf("%v: unpacked %v, want %v", c.dt, back, x)
		}
	}
}

func TestEveryCodecMatchesItsType(t *testing.T) {
	if len(codecs) == 0 {
		t.Fatal("no codecs")
	}
	for dt := range codecs {
		elements, size := dt.Block()
		if size == 0 {
			t.Errorf("%v: registered without a size in graph.DType", dt)
		}
		// One block at the very end of its slices: an access past it panics.
		src := make([]byte, size)
		dst := make([]float32, elements)
		if err := Unpack(dt, dst, src); err != nil {
			t.Errorf("%v: %v", dt, err)
		}
		for i, v := range dst {
			if v != 0 {
				t.Errorf("%v: zero bytes give %g at %d", dt, v, i)
				break
			}
		}
		if codecs[dt].pack == nil {
			continue
		}
		if err := Pack(dt, src, dst); err != nil {
			t.Errorf("%v: %v", dt, err)
		}
	}
}

func TestErrors(t *testing.T) {
	for _, c := range []struct {
		name        string
		dt          graph.DType
		n, bytes    int
		unsupported bool
		text        string
	}{
		{"no codec", graph.I32, 1, 4, true, "i32"},
		{"invalid", graph.Invalid, 0, 0, true, "invalid"},
		{"no such type", graph.DType(200), 1, 1, true, "dtype(200)"},
		{"part of a block", graph.Q8_0, 33, 34, false, "33 elements are not a whole number of blocks of 32"},
		{"too few bytes", graph.Q8_0, 32, 33, false, "32 elements take 34 bytes, got 33"},
		{"too many bytes", graph.F16, 2, 5, false, "2 elements take 4 bytes, got 5"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, err := range []error{
				Unpack(c.dt, make([]float32, c.n), make([]byte, c.bytes)),
				Pack(c.dt, make([]byte, c.bytes), make([]float32, c.n)),
			} {
				if err == nil {
					t.Fatal("no error")
				}
				if errors.Is(err, errors.ErrUnsupported) != c.unsupported || !strings.Contains(err.Error(), c.text) {
					t.Errorf("got %q", err)
				}
			}
		})
	}
	for _, dt := range []graph.DType{graph.F32, graph.F16, graph.BF16, graph.Q8_0} {
		if err := errors.Join(Unpack(dt, nil, nil), Pack(dt, nil, nil), RoundActivations(GGML, dt, nil)); err != nil {
			t.Errorf("%v: nothing to do: %v", dt, err)
		}
	}
}

// block returns a block of 32 that begins with these values, rest 0.
func block(v ...float32) []float32 { return append(v, make([]float32, 32-len(v))...) }

func TestQ8_0Blocks(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	for _, c := range []struct {
		name string
		x    []float32
		d    uint16 // f16 bits
		q    []int8 // the first ones; rest 0
	}{
		{"zero", block(), 0, nil},
		{"scale one", block(127, -127, 63, 1, -1), 0x3c00, []int8{127, -127, 63, 1, -1}},
		{"halves go away from zero", block(127, 0.5, -0.5, 1.5, 2.5, -2.5, 126.5), 0x3c00, []int8{127, 1, -1, 2, 3, -3, 127}},
		// 100/127 = 0.78740156 is 0x3a4d = 0.78759766 in f16; 50/d is 63.5 with
		// the unrounded d and 63.48 with the stored one.
		{"q from the unrounded d", block(100, 50, -50), 0x3a4d, []int8{127, 64, -64}},
		{"d overflows f16", block(1e9, 1e9/2, -1e9), 0x7c00, []int8{127, 64, -127}},
		{"d vanishes in f16", block(1e-10, 0, -1e-10), 0, []int8{127, 0, -127}},
		{"1/d overflows", block(1e-40, -1e-40), 0, nil},
		{"infinity", block(1, inf), 0x7e00, nil},
		{"NaN", block(1, nan, 2), 0x7e00, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := make([]byte, 34)
			if err := Pack(graph.Q8_0, b, c.x); err != nil {
				t.Fatal(err)
			}
			want := make([]byte, 34)
			want[0], want[1] = byte(c.d), byte(c.d>>8)
			for i, q := range c.q {
				want[2+i] = byte(q)
			}
			if !bytes.Equal(b, want) {
				t.Errorf("got  %x\nwant %x", b, want)
			}
			if c.name == "infinity" || c.name == "NaN" {
				y := make([]float32, 32)
				Unpack(graph.Q8_0, y, b)
				for i, v := range y {
					if v == v {
						t.Fatalf("element %d unpacks to %g, want NaN", i, v)
					}
				}
			}
		})
	}
}

func TestQ8_0Unpack(t *testing.T) {
	b := make([]byte, 68)
	b[0], b[1] = 0x00, 0x38 // d = 0.5
	b[2], b[33] = 0x80, 127 // first and last q of block 0: -128, 127
	b[34], b[35] = 0x00, 0xc0
	b[36] = 3 // block 1: d = -2, q = 3
	y := make([]float32, 64)
	if err := Unpack(graph.Q8_0, y, b); err != nil {
		t.Fatal(err)
	}
	if y[0] != -64 || y[31] != 63.5 || y[32] != -6 || y[1] != 0 {
		t.Errorf("got %v", y)
	}
}

// Random rows over many magnitudes: the error stays within half a step plus
// the rounding of d, and packing what was unpacked changes nothing.
func TestQ8_0RoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		x := make([]float32, 96)
		scale := math.Exp(r.NormFloat64() * 3)
		for i := range x {
			x[i] = float32(r.NormFloat64() * scale)
		}
		b := make([]byte, 3*34)
		if err := Pack(graph.Q8_0, b, x); err != nil {
			t.Fatal(err)
		}
		y := make([]float32, 96)
		Unpack(graph.Q8_0, y, b)
		for i := range x {
			amax := float64(maxAbs(x[i/32*32 : i/32*32+32]))
			// 127 steps times the 2^-11 relative error of a normal f16, and
			// 2^-25 where d is subnormal.
			limit := amax/127*0.501 + amax*0x1p-11 + 127*0x1p-25
			if e := math.Abs(float64(x[i] - y[i])); e > limit {
				t.Fatalf("element %d: %g became %g, off by %g > %g", i, x[i], y[i], e, limit)
			}
		}
		again := make([]byte, len(b))
		Pack(graph.Q8_0, again, y)
		if !bytes.Equal(b, again) {
			t.Fatalf("packing is not idempotent:\n%x\n%x", b, again)
		}
	}
}

func TestUnpackAllocatesNothing(t *testing.T) {
	for _, dt := range Types() {
		block, size := dt.Block()
		dst, src := make([]float32, 4*block), make([]byte, 4*size)
		if n := testing.AllocsPerRun(100, func() {
			if err := Unpack(dt, dst, src); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%v: %v allocations", dt, n)
		}
	}
}
