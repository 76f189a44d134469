package ptxsim

import (
	"math"
	"strconv"
	"strings"
)

var matrices = map[string]func(*decoder){
	"mma":      mma,
	"ldmatrix": ldmatrix,
}

// A fragment type is what the elements of A or B are.
type element struct {
	perReg int // in a 32-bit register
	value  func(reg uint64, i int) float64
}

var elements = map[string]element{
	"f16":  {2, func(r uint64, i int) float64 { return float64(fromF16(uint16(r >> (16 * i)))) }},
	"bf16": {2, func(r uint64, i int) float64 { return float64(fromBF16(uint16(r >> (16 * i)))) }},
	"tf32": {1, func(r uint64, _ int) float64 { return float64(f32(r &^ 0x1fff)) }},
	"s8":   {4, func(r uint64, i int) float64 { return float64(int8(r >> (8 * i))) }},
	"u8":   {4, func(r uint64, i int) float64 { return float64(uint8(r >> (8 * i))) }},
}

// mma.sync.aligned.m16n8k*.row.col.d.a.b.c: D [16, 8] = A [16, k] · B [k, 8] + C [16, 8].
//
// Lane l holds with g = l/4 and t = l%4, e elements a register: of A in register r row g + 8(r%2),
// columns et + 4e(r/2) and on; of B in register r column g, rows et + 4er and on; of C and D
// element i in row g + 8(i/2), column 2t + i%2.
func mma(d *decoder) {
	d.must("sync")
	d.must("aligned")
	k, _ := strconv.Atoi(strings.TrimPrefix(d.must("m16n8k4", "m16n8k8", "m16n8k16", "m16n8k32"), "m16n8k"))
	d.must("row")
	d.must("col")
	saturating := d.take("satfinite") != ""
	if len(d.mods) != 4 {
		d.fail("mma has four types")
		return
	}
	tD, tA, tB, tC := d.mods[0], d.mods[1], d.mods[2], d.mods[3]
	d.mods = nil
	a, okA := elements[tA]
	b, okB := elements[tB]
	integer := a.perReg == 4
	shapes := map[int][]int{1: {4, 8}, 2: {8, 16}, 4: {16, 32}}
	okK := false
	for _, n := range shapes[a.perReg] {
		okK = okK || n == k
	}
	switch {
	case !okA || !okB || tA != tB && !integer, a.perReg != b.perReg, !okK, tD != tC, integer != (tD == "s32"), tD == "f16" && tA != "f16",
		tD != "s32" && tD != "f32" && tD != "f16", saturating && !integer:
		d.fail("mma of this shape and these types is not simulated")
		return
	}
	regs := func(i, n int, t typ) []int {
		slots := make([]int, n)
		for j, o := range d.vector(i, n) {
			if i == 0 {
				slots[j] = d.dstOf(o, t, false)
			} else {
				slots[j] = d.srcOf(o, t, false)
			}
		}
		return slots
	}
	b32 := types["b32"]
	sums, packed, of := 4, tD == "f16", b32
	switch {
	case packed:
		sums = 2
	case tD == "f32":
		of = types["f32"]
	}
	nA := 16 * k / 32 / a.perReg
	D, A, B, C := regs(0, sums, of), regs(1, nA, b32), regs(2, nA/2, b32), regs(3, sums, of)
	d.wholeWarp()
	d.in.exec = func(w *warp, m uint32) {
		var x [16][32]float64
		var y [32][8]float64
		for l := range 32 {
			g, t := l/4, l%4
			for r, s := range A {
				for i := range a.perReg {
					x[g+8*(r%2)][a.perReg*(t+4*(r/2))+i] = a.value(w.r[s][l], i)
				}
			}
			for r, s := range B {
				for i := range b.perReg {
					y[b.perReg*(t+4*r)+i][g] = b.value(w.r[s][l], i)
				}
			}
		}
		var out [4]lanes
		for l := range 32 {
			g, t := l/4, l%4
			for i := range 4 {
				row, col := g+8*(i/2), 2*t+i%2
				var c float64
				switch {
				case packed:
					c = float64(fromF16(uint16(w.r[C[i/2]][l] >> (16 * (i % 2)))))
				case integer:
					c = float64(int32(w.r[C[i]][l]))
				default:
					c = float64(f32(w.r[C[i]][l]))
				}
				for j := range k {
					c += x[row][j] * y[j][col]
				}
				switch {
				case packed:
					out[i/2][l] |= halves[0].from(c) << (16 * (i % 2))
				case integer && saturating:
					out[i][l] = uint64(uint32(int32(max(math.MinInt32, min(c, math.MaxInt32)))))
				case integer: // below 2^53: exact
					out[i][l] = uint64(uint32(int64(c)))
				default:
					out[i][l] = bits32(float32(c))
				}
			}
		}
		for i, s := range D {
			w.r[s] = out[i]
		}
	}
}

// wholeWarp makes the instruction wait for all 32 lanes.
func (d *decoder) wholeWarp() {
	d.in.control = together
	d.in.members = func(w *warp, _ int) uint32 {
		if w.live != allLanes {
			w.fault(first(w.live), "only lanes %08x of the warp are there", w.live)
		}
		return allLanes
	}
}

// ldmatrix loads 8 by 8 matrices of 16-bit elements: lane 8i + r points to the 16 bytes of row r of
// matrix i; lane l gets columns 2(l%4) and the next of row l/4, with .trans rows of column l/4.
func ldmatrix(d *decoder) {
	d.must("sync")
	d.must("aligned")
	d.must("m8n8")
	n := map[string]int{"x1": 1, "x2": 2, "x4": 4, "": 1}[d.must("x1", "x2", "x4")]
	trans := d.take("trans") != ""
	space := d.space("shared")
	if t := d.typ(); t.name != "b16" {
		d.fail("no form for .%s", t.name)
	}
	slots := make([]int, n)
	for i, o := range d.vector(0, n) {
		slots[i] = d.dstOf(o, types["b32"], false)
	}
	p := d.pointer(1, space, 16)
	d.wholeWarp()
	d.in.exec = func(w *warp, m uint32) {
		var rows [32][8]uint16
		for l := range 8 * n {
			b := w.load(&p, l, w.r[p.base][l]+p.offset)
			for i := range 8 {
				rows[l][i] = le.Uint16(b[2*i:])
			}
		}
		for i, s := range slots {
			for l := range 32 {
				r, c := l/4, 2*(l%4)
				lo, hi := rows[8*i+r][c], rows[8*i+r][c+1]
				if trans {
					lo, hi = rows[8*i+c][r], rows[8*i+c+1][r]
				}
				w.r[s][l] = uint64(lo) | uint64(hi)<<16
			}
		}
	}
}
