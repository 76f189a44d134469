package gemm

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/quant"
	"github.com/deltaloom/deltaloom/runtime/cpu/isa"
)

var types = quant.Types()

// samples are blocks of random weights of a type, which are slow to pack.
var samples = map[graph.DType][]byte{}

// matrix returns rows of k random weights, packed, and their values.
func matrix(t testing.TB, dt graph.DType, rows, k int, rng *rand.Rand) (packed []byte, values []float64) {
	const most = 64
	block, size := dt.Block()
	if samples[dt] == nil {
		x := make([]float32, most*block)
		for i := range x {
			x[i] = float32(rng.NormFloat64())
		}
		samples[dt] = make([]byte, most*size)
		if err := quant.Pack(dt, samples[dt], x); err != nil {
			t.Fatal(err)
		}
	}
	for range rows * k / block {
		packed = append(packed, samples[dt][rng.IntN(most)*size:][:size]...)
	}
	values = make([]float64, rows*k)
	group, minima := quant.Groups(dt)
	if group == 0 {
		x := make([]float32, len(values))
		if err := quant.Unpack(dt, x, packed); err != nil {
			t.Fatal(err)
		}
		for i, v := range x {
			values[i] = float64(v)
		}
		return packed, values
	}
	q, scales, mins := make([]int8, len(values)), make([]float32, len(values)/group), make([]float32, len(values)/group)
	if err := quant.Split(dt, q, scales, mins, packed); err != nil {
		t.Fatal(err)
	}
	for i := range values {
		values[i] = float64(scales[i/group]) * float64(q[i])
		if minima {
			values[i] -= float64(mins[i/group])
		}
	}
	return packed, values
}

// prepared returns m random rows of k activations as kind takes them, and the
// values that they stand for.
func prepared(set isa.Set, kind Kind, m, k int, rng *rand.Rand) (acts []byte, values []float32) {
	size := ActBytes(kind, k)
	acts, values = make([]byte, m*size), make([]float32, m*k)
	for i := range m {
		row := values[i*k : (i+1)*k]
		for j := range row {
			row[j] = float32(rng.NormFloat64())
		}
		Prepare(set, kind, acts[i*size:], row)
		if kind == Int8 {
			dequantize(row, acts[i*size:(i+1)*size])
		}
	}
	return acts, values
}

// TestRows compares with float64 sums over the same rounded weights and
// activations. What is left is the rounding of float32 sums: of all results of a
// type together a NMSE of 1e-12 at most, of a few results ten times that. Plain Go has
// one running sum, whose error grows with k: about 2.5e-12 is to be expected of 4096
// terms, and a single result may be ten times off.
func TestRows(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	heights, ms := []int{1, 2, 3, 4, 5, 7, 8, 13, 37, 70}, []int{1, 2, 3, 4, 5, 6, 7, 17, 20, 29, 38}
	if testing.Short() { // for emulators
		heights, ms = []int{1, 5, 13, 70}, []int{1, 3, 5, 11, 38}
	}
	for _, set := range isa.Available() {
		for _, dt := range types {
			t.Run(fmt.Sprintf("%v/%v", set, dt), func(t *testing.T) {
				block, _ := dt.Block()
				ks := []int{block, 2 * block, 3 * block, 1024, 2048 + block}
				switch block {
				case 1:
					ks = append(ks, 5, 15, 16, 17, 100, 1025)
				case 32:
					ks = append(ks, 9*block, 4096, 4096+block)
				case 256:
					ks = append(ks, 4096, 4096+block)
				}
				var noise, signal float64
				for _, k := range ks {
					for _, rows := range heights {
						for _, m := range ms {
							if k > 1025 && rows > 8 && (rows != 37 || m != 17) || rows > 37 && m != 3 && m != 38 {
								continue
							}
							n, s := check(t, set, dt, rows, m, k, rng)
							noise, signal = noise+n, signal+s
						}
					}
				}
				if nmse := noise / signal; !(nmse <= 1e-12) {
					t.Errorf("NMSE %.3g", nmse)
				}
			})
		}
	}
}

// check tests one shape and returns the squares of its errors and of its results.
func check(t *testing.T, set isa.Set, dt graph.DType, rows, m, k int, rng *rand.Rand) (noise, signal float64) {
	t.Helper()
	p, err := New(set, dt, k)
	if err != nil {
		t.Fatal(err)
	}
	packed, weights := matrix(t, dt, rows, k, rng)
	acts, x := prepared(set, p.Kind(), m, k, rng)
	w, acts := guarded(t, packed), guarded(t, acts)
	ldy := rows + 3
	got := make([]float32, m*ldy)
	p.Rows(new(Scratch), got, ldy, w, acts, m, 0, rows)

	for i := range m {
		for r := range rows {
			var want, norm float64
			for j := range k {
				v := weights[r*k+j] * float64(x[i*k+j])
				want += v
				norm += v * v
			}
			noise += (float64(got[i*ldy+r]) - want) * (float64(got[i*ldy+r]) - want)
			signal += norm // the expected square of a sum of random signs
		}
		for _, v := range got[i*ldy+rows : (i+1)*ldy] {
			if v != 0 {
				t.Fatalf("%d rows, m=%d, k=%d: wrote past row %d of y", rows, m, k, i)
			}
		}
	}
	limit := 1e-11
	if set == isa.Scalar {
		limit = 3e-11
	}
	if nmse := noise / signal; !(nmse <= limit) {
		t.Fatalf("%d rows, m=%d, k=%d: NMSE %.3g", rows, m, k, nmse)
	}

	// Any split of the rows gives the same bits.
	split := make([]float32, m*ldy)
	for lo := 0; lo < rows; {
		hi := min(rows, lo+1+rng.IntN(9))
		p.Rows(new(Scratch), split, ldy, w, acts, m, lo, hi)
		lo = hi
	}
	for i := range got {
		if math.Float32bits(got[i]) != math.Float32bits(split[i]) {
			t.Fatalf("%d rows, m=%d, k=%d: y[%d] is %v whole and %v split", rows, m, k, i, got[i], split[i])
		}
	}
	return noise, signal
}

// TestFaults holds that a NaN shows in all results that it is part of and in no other.
func TestFaults(t *testing.T) {
	const rows, k, badRow, badAct = 21, 512, 18, 3
	rng := rand.New(rand.NewPCG(9, 10))
	for _, set := range isa.Available() {
		for _, dt := range types {
			if dt == graph.MXFP4 { // has no NaN
				continue
			}
			p, err := New(set, dt, k)
			if err != nil {
				t.Fatal(err)
			}
			w, _ := matrix(t, dt, rows, k, rng)
			bad := make([]float32, k)
			bad[300] = float32(math.NaN())
			if err := quant.Pack(dt, w[badRow*p.rowBytes:(badRow+1)*p.rowBytes], bad); err != nil {
				t.Fatal(err)
			}
			for _, m := range []int{4, 17} {
				acts, _ := prepared(set, p.Kind(), m, k, rng)
				Prepare(set, p.Kind(), acts[badAct*ActBytes(p.Kind(), k):], bad)
				y := make([]float32, m*rows)
				p.Rows(new(Scratch), y, rows, w, acts, m, 0, rows)
				for i, v := range y {
					if faulty := i%rows == badRow || i/rows == badAct; faulty != (v != v) {
						t.Errorf("%v/%v, m=%d: y[%d][%d] is %v", set, dt, m, i/rows, i%rows, v)
					}
				}
			}
		}
	}
}

// TestRowsIn holds that activations prepared in the form for so many rows, in any order,
// give the bits of those that lie one after the other.
func TestRowsIn(t *testing.T) {
	const rows = 37
	rng := rand.New(rand.NewPCG(11, 12))
	for _, set := range isa.Available() {
		for _, dt := range types {
			for _, k := range []int{256, 4096 + 256} {
				p, err := New(set, dt, k)
				if err != nil {
					t.Fatal(err)
				}
				w, _ := matrix(t, dt, rows, k, rng)
				for _, m := range []int{1, 4, 7, 17, 35} {
					form, size := p.Form(m), ActBytes(p.Kind(), k)
					in, plain, row := make([]byte, form.Bytes(m)), make([]byte, m*size), make([]byte, size)
					x := make([]float32, k)
					for _, i := range rng.Perm(m) {
						for j := range x {
							x[j] = float32(rng.NormFloat64())
						}
						Prepare(set, p.Kind(), plain[i*size:], x)
						form.Prepare(set, in, m, i, x, row)
					}
					got, want := make([]float32, m*rows), make([]float32, m*rows)
					p.RowsIn(form, new(Scratch), got, rows, w, w[:1], in, m, 0, rows)
					p.Rows(new(Scratch), want, rows, w, plain, m, 0, rows)
					for i := range got {
						if math.Float32bits(got[i]) != math.Float32bits(want[i]) {
							t.Fatalf("%v/%v, k=%d, m=%d: y[%d] is %v, of rows %v", set, dt, k, m, i, got[i], want[i])
						}
					}
				}
			}
		}
	}
}

func TestPrepare(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	rng := rand.New(rand.NewPCG(3, 4))
	x := make([]float32, 32*11)
	for i := range x {
		x[i] = float32(rng.NormFloat64()) * float32(math.Exp(20*rng.NormFloat64()))
	}
	clear(x[32:64])
	x[70], x[100], x[130] = nan, inf, -inf
	for i := range 32 {
		x[160+i] = math.SmallestNonzeroFloat32 * float32(i) // no inverse of d
		x[192+i] = float32(i) + 0.5 - 16*float32(i&1)       // ties
		x[224+i] = math.MaxFloat32 / float32(i+2)
	}
	x[192] = 127
	size := ActBytes(Int8, len(x))
	if size%64 != 0 || ActBytes(Float, 17)%64 != 0 {
		t.Fatal("sizes of rows are multiples of 64")
	}
	want := make([]byte, size)
	Prepare(isa.Scalar, Int8, want, x)
	values := make([]float32, len(x))
	dequantize(values, want)
	for i, v := range values {
		block := x[i/32*32 : i/32*32+32]
		top := float32(0)
		for _, u := range block {
			top = max(top, float32(math.Abs(float64(u))))
		}
		switch {
		case math.IsNaN(float64(top)) || math.IsInf(float64(top), 0):
			if !math.IsNaN(float64(v)) {
				t.Errorf("x[%d] = %v became %v beside a NaN or an infinity", i, x[i], v)
			}
		case top < 3e-37:
			if v != 0 {
				t.Errorf("x[%d] = %v became %v, though 1/d is no float32", i, x[i], v)
			}
		case !(math.Abs(float64(v)-float64(x[i])) <= float64(top)/253):
			t.Errorf("x[%d] = %v became %v, the block's largest is %v", i, x[i], v, top)
		}
	}
	for _, set := range isa.Available() {
		got := make([]byte, size)
		for i := range got {
			got[i] = 0xaa
		}
		Prepare(set, Int8, got, x)
		for i := range got {
			if got[i] != want[i] {
				t.Fatalf("%v: byte %d is %#x, scalar %#x", set, i, got[i], want[i])
			}
		}
	}
}

func TestNewErrors(t *testing.T) {
	for _, c := range []struct {
		t graph.DType
		k int
	}{{graph.I32, 32}, {graph.Invalid, 32}, {graph.DType(200), 32}, {graph.F32, 0}, {graph.F32, -4}, {graph.Q8_0, 33}, {graph.Q4_K, 128}} {
		if _, err := New(isa.Scalar, c.t, c.k); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("New(%v, %d): error %v", c.t, c.k, err)
		}
	}
}

func TestRowsBounds(t *testing.T) {
	p, err := New(isa.Best(), graph.F32, 16)
	if err != nil {
		t.Fatal(err)
	}
	y, w, acts := make([]float32, 8), make([]byte, 8*64), make([]byte, 2*ActBytes(Float, 16))
	for name, call := range map[string]func(){
		"w":    func() { p.Rows(new(Scratch), y, 4, w[:3*64], acts, 2, 0, 4) },
		"y":    func() { p.Rows(new(Scratch), y[:7], 4, w, acts, 2, 0, 4) },
		"acts": func() { p.Rows(new(Scratch), y, 4, w, acts[:64], 2, 0, 4) },
		"lo":   func() { p.Rows(new(Scratch), y, 4, w, acts, 2, -1, 4) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("short %s: no panic", name)
				}
			}()
			call()
		}()
	}
	p.Rows(new(Scratch), y, 4, w, acts, 0, 0, 4)
	p.Rows(new(Scratch), y, 4, w, acts, 2, 4, 4)
}
