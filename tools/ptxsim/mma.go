package ptxsim

import "strings"

// Fragments of matrices lie in lanes as the PTX manual has them: with g = lane/4 and
// t = lane%4, element i of a lane's piece of A [16 K], B [K 8] and C [16 8].

func init() {
	builders["mma"] = func(c *compiler) {
		c.only(4, "sync aligned row col m16n8k8 m16n8k16 m16n8k32 satfinite")
		types := c.types()
		if len(types) != 4 {
			c.fail("want four types")
			return
		}
		K := 0
		for _, m := range c.mods() {
			switch m {
			case "m16n8k8":
				K = 8
			case "m16n8k16":
				K = 16
			case "m16n8k32":
				K = 32
			}
		}
		switch a := types[1]; {
		case types[0] == "f32" && types[3] == "f32" && types[2] == a && (a == "f16" || a == "bf16") && (K == 8 || K == 16):
			c.mma(K, 2, func(x uint64) float64 { return widen(a, x) }, func(x uint64) float64 { return widen(a, x) },
				func(x uint64) float64 { return widen("f32", x) }, func(f float64) uint64 { return narrow("f32", f) })
		case types[0] == "s32" && types[3] == "s32" && sizes[a] == 1 && sizes[types[2]] == 1 && (K == 16 || K == 32):
			b := types[2]
			c.mma(K, 1, integer(a), integer(b), func(x uint64) float64 { return float64(int32(x)) },
				func(f float64) uint64 { return uint64(uint32(int64(f))) })
		default:
			c.fail("this shape of these types is not simulated")
		}
	}
	builders["ldmatrix"] = func(c *compiler) {
		c.only(2, "sync aligned m8n8 x1 x2 x4 trans shared")
		to := c.vector(0)
		base, offset := c.address(1)
		slots := make([]int, len(to))
		for i, name := range to {
			slots[i] = c.dstNamed(name)
		}
		if want := strings.Count("x1", c.count()) + 2*strings.Count("x2", c.count()) + 4*strings.Count("x4", c.count()); want != len(to) {
			c.fail("%d registers for %s", len(to), c.count())
		}
		trans := c.has("trans")
		c.in.kind = converging
		c.run(func(w *warp, in *instr, mask uint32) {
			w.whole(in, mask)
			A := w.r[base]
			for i, s := range slots {
				var m [8][8]uint16 // rows at the addresses of lanes 8i to 8i+7
				for row := range 8 {
					lane := 8*i + row
					addr := A[lane] + offset
					if addr>>32 == sharedBase>>32 {
						addr -= sharedBase
					}
					p := w.at(in, lane, "shared", addr, 16, false)
					for col := range 8 {
						m[row][col] = le.Uint16(p[2*col:])
					}
				}
				for l := range 32 {
					g, t := l/4, l%4
					lo, hi := m[g][2*t], m[g][2*t+1]
					if trans {
						lo, hi = m[2*t][g], m[2*t+1][g]
					}
					w.r[s][l] = uint64(hi)<<16 | uint64(lo)
				}
			}
		})
	}
}

func (c *compiler) count() string {
	for _, m := range c.mods() {
		if m == "x1" || m == "x2" || m == "x4" {
			return m
		}
	}
	return ""
}

func integer(t string) func(x uint64) float64 {
	if t[0] == 's' {
		return func(x uint64) float64 { return float64(int8(x)) }
	}
	return func(x uint64) float64 { return float64(uint8(x)) }
}

// whole faults where a lane is missing.
func (w *warp) whole(in *instr, mask uint32) {
	if mask != allLanes {
		w.fault(in, lowest(^mask), "lanes %08x are there, and all must be", mask)
	}
}

// mma is D = A·B + C for elements of so many bytes. Sums are made in float64, which is
// exact for integers.
func (c *compiler) mma(K, bytes int, a, b, in func(uint64) float64, out func(float64) uint64) {
	per := 4 / bytes // elements of a register
	D, A, B, C := c.vector(0), c.vector(1), c.vector(2), c.vector(3)
	if len(D) != 4 || len(C) != 4 || len(A) != 16*K/32/per || len(B) != 8*K/32/per {
		c.fail("%d, %d, %d and %d registers", len(D), len(A), len(B), len(C))
		return
	}
	d, ra, rb, rc := make([]int, 4), make([]int, len(A)), make([]int, len(B)), make([]int, 4)
	for i := range 4 {
		d[i], rc[i] = c.dstNamed(D[i]), c.value(C[i])
	}
	for i := range ra {
		ra[i] = c.value(A[i])
	}
	for i := range rb {
		rb[i] = c.value(B[i])
	}
	c.in.kind = converging
	c.run(func(w *warp, ins *instr, mask uint32) {
		w.whole(ins, mask)
		var ma [16][32]float64
		var mb [8][32]float64 // by column
		for l := range 32 {
			g, t := l/4, l%4
			for i, r := range ra {
				x := w.r[r][l]
				row := g + 8*(i&1)
				col := t*per + 4*per*(i>>1)
				for k := range per {
					ma[row][col+k] = a(x >> (8 * bytes * k) & (1<<(8*bytes) - 1))
				}
			}
			for i, r := range rb {
				x := w.r[r][l]
				for k := range per {
					mb[g][t*per+4*per*i+k] = b(x >> (8 * bytes * k) & (1<<(8*bytes) - 1))
				}
			}
		}
		for l := range 32 {
			g, t := l/4, l%4
			var y [4]uint64
			for i := range 4 {
				row, col := g+8*(i>>1), 2*t+i&1
				s := in(w.r[rc[i]][l])
				x, z := &ma[row], &mb[col]
				for k := range K {
					s += x[k] * z[k]
				}
				y[i] = out(s)
			}
			for i := range 4 {
				w.r[d[i]][l] = y[i]
			}
		}
	})
}
