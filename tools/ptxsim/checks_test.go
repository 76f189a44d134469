package ptxsim_test

import (
	"math"
	"strings"
	"testing"

	"github.com/deltaloom/deltaloom/tools/ptxsim"
)

// Each check on a kernel that it is about, and on one that is right and looks alike.
func TestChecks(t *testing.T) {
	const (
		own     = "mov.u32 %r2, fixed; mul.lo.u32 %r1, %t, 4; add.u32 %r3, %r2, %r1; " // %r3: the thread's word
		halfOwn = "mov.u32 %r2, fixed; mul.lo.u32 %r1, %t, 2; add.u32 %r3, %r2, %r1; "
		// A word of each block, and what only the last of five gets past: the count begins with no small number.
		ownOfBlock = "mul.wide.u32 %d1, %b, 4; add.s64 %d1, %q, %d1; st.global.u32 [%d1], 1; "
		lastBlock  = "atom.global.inc.u32 %r1, [%q+32], 3; setp.ne.u32 %c1, %r1, 3; @%c1 ret; "
		readsOther = "ld.global.u32 %r1, [%q]; ld.global.u32 %r1, [%q+4];" // one of them is not its own
		firstWarp  = "setp.lt.u32 %c1, %t, 32; "
	)
	testFaults(t, []faultCase{
		{"shared memory that nobody wrote", "ld.shared.u32 %r1, [fixed+8];", 1, 1, "reads shared memory that nobody wrote, at offset 8"},
		{"a word of which a half is written", "cvt.u16.u32 %h1, %t; st.shared.u16 [fixed], %h1; ld.shared.u32 %r1, [fixed];", 1, 1, "nobody wrote"},
		{"a word of two halves", "cvt.u16.u32 %h1, %t; st.shared.u16 [fixed], %h1; st.shared.u16 [fixed+2], %h1; ld.shared.u32 %r1, [fixed];", 1, 1, ""},
		{"what an earlier block wrote", "setp.eq.u32 %c1, %b, 0; @%c1 st.shared.u32 [fixed], %t; ld.shared.u32 %r1, [fixed];", 2, 1, "block [1 0 0] thread [0 0 0]: reads shared memory that nobody wrote"},
		{"threads of one store that disagree", "st.shared.u32 [fixed], %t;", 1, 2, "writes another value to the same place"},
		{"threads of one store that agree", "st.shared.u32 [fixed], 7;", 1, 32, ""},
		{"neighbouring halves of two warps", "setp.lt.u32 %c1, %t, 33; @!%c1 ret; setp.gt.u32 %c1, %t, 30; @!%c1 ret; cvt.u16.u32 %h1, %t; mov.u32 %r2, fixed; mul.lo.u32 %r1, %t, 2; add.u32 %r3, %r2, %r1; st.shared.u16 [%r3+2], %h1;", 1, 64, ""},
		{"halves of a word, each its own", halfOwn + "cvt.u16.u32 %h1, %t; st.shared.u16 [%r3], %h1; ld.shared.u16 %h2, [%r3];", 1, 64, ""},
		{"shared atomics of two warps", firstWarp + "@%c1 st.shared.u32 [fixed], 0; bar.sync 0; atom.shared.add.u32 %r1, [fixed], 1; bar.sync 0; ld.shared.u32 %r1, [fixed];", 1, 64, ""},
		{"a store against shared atomics", firstWarp + "@%c1 st.shared.u32 [fixed], 0; bar.sync 0; atom.shared.add.u32 %r1, [fixed], 1; st.shared.u32 [fixed], 0;", 1, 64, "race in shared memory"},
		// Warps 0 and 1 meet at barrier 1, warps 2 and 3 do not.
		{"a named barrier of both", "setp.gt.u32 %c1, %t, 63; @%c1 ret; " + own + "st.shared.u32 [%r3], %t; bar.sync 1, 64; xor.b32 %r1, %r1, 128; add.u32 %r3, %r2, %r1; ld.shared.u32 %r4, [%r3];", 1, 128, ""},
		{"a named barrier of others", own + "st.shared.u32 [%r3], %t; shr.u32 %r5, %t, 6; add.u32 %r5, %r5, 1; bar.sync %r5, 64; xor.b32 %r1, %r1, 256; add.u32 %r3, %r2, %r1; ld.shared.u32 %r4, [%r3];", 1, 128, "race in shared memory: reads what thread [64 0 0] writes"},
		{"a producer that only arrives", firstWarp + own + "@%c1 bra $P; bar.sync 2, 64; ld.shared.u32 %r4, [%r3+-128]; ret; $P: st.shared.u32 [%r3], %t; bar.arrive 2, 64;", 1, 64, ""},
		{"a barrier half the warp leaves out", "setp.lt.u32 %c1, %t, 16; @%c1 bra $L; bar.sync 0; ret; $L: bar.sync 1;", 1, 32, "lanes 0000ffff of the warp come to the barrier, lanes ffff0000 do not"},
		{"a barrier of more threads than there are", "bar.sync 0, 96;", 1, 64, "waits at a barrier for threads that wait elsewhere"},
		{"warps at different barriers", firstWarp + "@%c1 bra $L; bar.sync 0; ret; $L: bar.sync 1;", 1, 64, "waits at a barrier"},
		{"halves of a warp by themselves", "setp.lt.u32 %c1, %t, 16; @%c1 bra $L; bar.warp.sync 0xffff0000; ret; $L: bar.warp.sync 0xffff;", 1, 32, ""},
		{"a lane outside of its own mask", "shfl.sync.idx.b32 %r1, %t, 0, 31, 0xfffe;", 1, 16, "not in its own member mask"},
		{"mma in half a warp", "mma.sync.aligned.m16n8k8.row.col.f32.bf16.bf16.f32 {%f1,%f2,%f3,%f4}, {%r1,%r2}, {%r3}, {%f1,%f2,%f3,%f4};", 1, 16, "only lanes 0000ffff"},
		{"blocks write halves of a word", "mul.wide.u32 %d1, %b, 2; add.s64 %d1, %q, %d1; cvt.u16.u32 %h1, %b; st.global.u16 [%d1], %h1;", 2, 1, ""},
		{"blocks write the same half", "cvt.u16.u32 %h1, %b; st.global.u16 [%q+2], %h1;", 2, 1, "race in global memory"},
		{"a block reads what another writes", "setp.eq.u32 %c1, %b, 0; @%c1 st.global.u32 [%q], 1; @!%c1 ld.global.u32 %r1, [%q];", 2, 1, "race in global memory"},
		{"it says that it is volatile", "setp.eq.u32 %c1, %b, 0; @%c1 st.volatile.global.u32 [%q], 1; @!%c1 ld.volatile.global.u32 %r1, [%q];", 2, 1, ""},
		{"blocks read what one of them writes", "ld.global.u32 %r1, [%q]; setp.eq.u32 %c1, %b, 3; @%c1 st.global.u32 [%q], 1;", 4, 1, "race in global memory"},
		{"the last block reads what others wrote", ownOfBlock + "fence.acq_rel.gpu; " + lastBlock + "membar.gl; " + readsOther, 5, 1, ""},
		{"the last block writes what others read", "ld.global.u32 %r1, [%q]; fence.acq_rel.gpu; " + lastBlock + "membar.gl; st.global.u32 [%q], 1;", 5, 1, ""},
		{"without a fence before", ownOfBlock + lastBlock + "membar.gl; " + readsOther, 5, 1, "race in global memory"},
		{"without a fence behind", ownOfBlock + "fence.acq_rel.gpu; " + lastBlock + readsOther, 5, 1, "race in global memory"},
		{"a fence of the block alone", ownOfBlock + "fence.acq_rel.cta; " + lastBlock + "membar.gl; " + readsOther, 5, 1, "race in global memory"},
		{"a fence in front of the write", "fence.acq_rel.gpu; " + ownOfBlock + lastBlock + "membar.gl; " + readsOther, 5, 1, "race in global memory"},
		{"an atomic of the block alone", ownOfBlock + "fence.acq_rel.gpu; atom.relaxed.cta.global.inc.u32 %r1, [%q+32], 3; setp.ne.u32 %c1, %r1, 3; @%c1 ret; membar.gl; " + readsOther, 5, 1, "race in global memory"},
		{"fences of a cluster", ownOfBlock + "fence.acq_rel.cluster; " + lastBlock + "fence.acq_rel.cluster; " + readsOther, 5, 1, "race in global memory"},
		{"fences between proxies", ownOfBlock + "fence.proxy.async; " + lastBlock + "fence.proxy.async; " + readsOther, 5, 1, "race in global memory"},
		{"tickets of one place each", ownOfBlock + "fence.acq_rel.gpu; atom.global.inc.u32 %r1, [%d1+32], 3; membar.gl; setp.ne.u32 %c1, %b, 4; @%c1 ret; " + readsOther, 5, 1, "race in global memory"},
		{"all read", "ld.global.u32 %r1, [%p];", 4, 32, ""},
		{"the non-coherent cache after a write", "st.global.u32 [%q], 1; ld.global.nc.u32 %r1, [%q];", 1, 1, "reads by ld.global.nc"},
		{"the non-coherent cache before it", "ld.global.nc.u32 %r1, [%q]; st.global.u32 [%q], 1;", 1, 1, ""},
		{"local memory behind the end", "ld.local.u32 %r1, [own+16];", 1, 1, "outside of local memory"},
		{"generic shared address", "mov.u64 %d1, fixed; cvta.shared.u64 %d1, %d1; st.u32 [%d1], %t; ld.shared.u32 %r1, [fixed];", 1, 1, ""},
		{"a table is written", "mov.u64 %d1, table; st.u32 [%d1], %t;", 1, 1, "writes to a constant"},
		{"a switch beyond its labels", "mov.u32 %r1, 2; brx.idx %r1, $T; $T: .branchtargets $A, $B; $A: $B:", 1, 1, "index 2 in a table of 2 labels"},
	})
}

// What the lanes of a warp get, lane by lane, from in[i] = i·i mod 7.
func TestWarpWide(t *testing.T) {
	in := make([]uint32, 32)
	for i := range in {
		in[i] = uint32(i * i % 7)
	}
	for _, c := range []struct {
		body string
		want func(i uint32) uint32
	}{
		{"shfl.sync.idx.b32 %r2, %r1, 3, 31, -1;", func(i uint32) uint32 { return in[3] }},
		{"shfl.sync.idx.b32 %r2, %r1, 3, 0x1807, -1;", func(i uint32) uint32 { return in[i&^7|3] }},
		{"shfl.sync.up.b32 %r2, %r1, 2, 0, -1;", func(i uint32) uint32 {
			if i < 2 {
				return in[i]
			}
			return in[i-2]
		}},
		{"shfl.sync.down.b32 %r2|%c1, %r1, 4, 31, -1; selp.b32 %r2, %r2, 99, %c1;", func(i uint32) uint32 {
			if i > 27 {
				return 99
			}
			return in[i+4]
		}},
		{"shfl.sync.bfly.b32 %r2, %r1, 9, 31, -1;", func(i uint32) uint32 { return in[i^9] }},
		{"setp.eq.u32 %c1, %r1, 1; vote.sync.ballot.b32 %r2, %c1, -1;", func(uint32) (m uint32) {
			for i, x := range in {
				if x == 1 {
					m |= 1 << i
				}
			}
			return m
		}},
		{"setp.lt.u32 %c1, %r1, 5; vote.sync.all.pred %c2, %c1, -1; setp.eq.u32 %c1, %r1, 4; vote.sync.any.pred %c3, !%c1, -1; selp.b32 %r2, 1, 0, %c2; selp.b32 %r3, 2, 0, %c3; or.b32 %r2, %r2, %r3;", func(uint32) uint32 { return 3 }},
		{"match.any.sync.b32 %r2, %r1, -1;", func(i uint32) (m uint32) {
			for j, x := range in {
				if x == in[i] {
					m |= 1 << j
				}
			}
			return m
		}},
		{"redux.sync.add.s32 %r2, %r1, -1;", func(uint32) (s uint32) {
			for _, x := range in {
				s += x
			}
			return s
		}},
		{"redux.sync.max.u32 %r2, %r1, -1;", func(uint32) uint32 { return 4 }},
		{"setp.lt.u32 %c1, %t, 5; mov.u32 %r2, 0; @%c1 activemask.b32 %r2;", func(i uint32) uint32 {
			if i < 5 {
				return 31
			}
			return 0
		}},
		{"mov.u32 %r2, %lanemask_lt;", func(i uint32) uint32 { return 1<<i - 1 }},
		{"st.local.u32 [own+4], %r1; ld.local.u32 %r2, [own+4];", func(i uint32) uint32 { return in[i] }},
		{"mov.u64 %d1, table; mul.wide.u32 %d2, %r1, 4; add.s64 %d1, %d1, %d2; ld.const.u32 %r2, [%d1];", func(i uint32) uint32 { return []uint32{10, 0xffffffff, 30, 0, 0}[in[i]] }},
		{"and.b32 %r3, %t, 1; brx.idx %r3, $T; $T: .branchtargets $A, $B; $A: mov.u32 %r2, 5; bra $E; $B: mov.u32 %r2, 6; $E:", func(i uint32) uint32 { return 5 + i&1 }},
		{"{ .reg .pred %c1; .reg .b32 own; setp.gt.u32 %c1, %t, 9; mov.u32 own, 3; @%c1 bra L; add.u32 own, own, 1; L: mov.u32 %r2, own; }", func(i uint32) uint32 {
			if i > 9 {
				return 3
			}
			return 4
		}},
	} {
		got, err := run(t, "ld.global.u32 %r1, [%pt]; "+c.body+" st.global.u32 [%qt], %r2;", 1, 32, in, 32)
		if err != nil {
			t.Errorf("%s: %v", c.body, err)
			continue
		}
		for i, x := range got {
			if want := c.want(uint32(i)); x != want {
				t.Errorf("%s: lane %d gets %#x, want %#x", c.body, i, x, want)
				break
			}
		}
	}
}

// Products of tiles of small whole numbers, exact in every type, against the plain product. The
// fragments are written down element by element as the manual numbers them.
func TestMMALayouts(t *testing.T) {
	half := func(x int) uint32 { // as f16
		if x == 0 {
			return 0
		}
		f := math.Float32bits(float32(x))
		return f>>16&0x8000 | (f>>23&255-112)<<10 | f>>13&1023
	}
	bf16 := func(x int) uint32 { return math.Float32bits(float32(x)) >> 16 }
	s8 := func(x int) uint32 { return uint32(uint8(x)) }
	for _, c := range []struct {
		types   string
		k, bits int
		code    func(int) uint32
		integer bool
		// row and column in A of element i of a lane with group g and number t in it
		a func(i, g, t int) (int, int)
		b func(i, t int) int // row in B; its column is g
	}{
		{"f32.f16.f16.f32", 8, 16, half, false,
			func(i, g, t int) (int, int) { return g + 8*(i/2), 2*t + i%2 },
			func(i, t int) int { return 2*t + i }},
		{"f32.bf16.bf16.f32", 16, 16, bf16, false,
			func(i, g, t int) (int, int) {
				row, col := g+8, 2*t+i%2
				if i < 2 || i >= 4 && i < 6 {
					row = g
				}
				if i >= 4 {
					col += 8
				}
				return row, col
			},
			func(i, t int) int {
				if i < 2 {
					return 2*t + i
				}
				return 2*t + i%2 + 8
			}},
		{"s32.s8.s8.s32", 16, 8, s8, true,
			func(i, g, t int) (int, int) { return g + 8*(i/4), 4*t + i%4 },
			func(i, t int) int { return 4*t + i }},
		{"s32.s8.s8.s32", 32, 8, s8, true,
			func(i, g, t int) (int, int) {
				row, col := g+8, 4*t+i%4
				if i < 4 || i >= 8 && i < 12 {
					row = g
				}
				if i >= 8 {
					col += 16
				}
				return row, col
			},
			func(i, t int) int {
				if i < 4 {
					return 4*t + i
				}
				return 4*t + i%4 + 16
			}},
	} {
		A := func(r, k int) int { return (r*7+k*3)%11 - 5 }
		B := func(k, n int) int { return (k*5+n*2)%9 - 4 }
		perWord := 32 / c.bits
		nA := 16 * c.k / 32 / perWord
		in := make([]uint32, 32*8)
		for l := range 32 {
			g, lt := l/4, l%4
			for i := range nA * perWord {
				r, k := c.a(i, g, lt)
				in[l*8+i/perWord] |= c.code(A(r, k)) << (c.bits * (i % perWord))
			}
			for i := range nA / 2 * perWord {
				in[l*8+4+i/perWord] |= c.code(B(c.b(i, lt), g)) << (c.bits * (i % perWord))
			}
		}
		regs := func(name string, first, n int) string {
			var s []string
			for i := range n {
				s = append(s, name+string(rune('0'+first+i)))
			}
			return "{" + strings.Join(s, ", ") + "}"
		}
		sums, zero := "%f", "mov.f32 %f1, 0f40400000; mov.f32 %f2, %f1; mov.f32 %f3, %f1; mov.f32 %f4, %f1;"
		if c.integer {
			sums, zero = "%s", ".reg .b32 %s<5>; mov.b32 %s1, 3; mov.b32 %s2, %s1; mov.b32 %s3, %s1; mov.b32 %s4, %s1;"
		}
		d := regs(sums, 1, 4)
		shape := "m16n8k" + map[int]string{8: "8", 16: "16", 32: "32"}[c.k]
		got, err := run(t, `{ mul.wide.u32 %d1, %t, 32; add.s64 %d1, %p, %d1;
	ld.global.v4.u32 {%r1, %r2, %r3, %r4}, [%d1]; ld.global.v2.u32 {%r5, %r6}, [%d1+16]; `+zero+`
	mma.sync.aligned.`+shape+".row.col."+c.types+" "+d+", "+regs("%r", 1, nA)+", "+regs("%r", 5, nA/2)+", "+d+`;
	mul.wide.u32 %d2, %t, 16; add.s64 %d2, %q, %d2; st.global.v4.b32 [%d2], `+d+"; }", 1, 32, in, 128)
		if err != nil {
			t.Errorf("%s.%s: %v", shape, c.types, err)
			continue
		}
		for l := range 32 {
			for i := range 4 {
				r, n := l/4+8*(i/2), 2*(l%4)+i%2
				want := 3
				for k := range c.k {
					want += A(r, k) * B(k, n)
				}
				x := int(int32(got[4*l+i]))
				if !c.integer {
					x = int(math.Float32frombits(got[4*l+i]))
				}
				if x != want {
					t.Fatalf("%s.%s: row %d column %d: %d, want %d", shape, c.types, r, n, x, want)
				}
			}
		}
	}
}

// Matrix i of ldmatrix has 100i + 10·row + column; lane l gets two elements of row l/4, or of
// column l/4 with .trans.
func TestLdmatrix(t *testing.T) {
	value := func(m, r, c int) uint32 { return uint32(100*m + 10*r + c) }
	in := make([]uint32, 128)
	for l := range 32 {
		for j := range 4 {
			in[4*l+j] = value(l/8, l%8, 2*j) | value(l/8, l%8, 2*j+1)<<16
		}
	}
	for _, trans := range []string{"", ".trans"} {
		got, err := run(t, `mul.wide.u32 %d1, %t, 16; add.s64 %d2, %p, %d1; ld.global.v4.u32 {%r1, %r2, %r3, %r4}, [%d2];
	mul.lo.u32 %r5, %t, 16; mov.u32 %r6, fixed; add.u32 %r6, %r6, %r5; st.shared.v4.u32 [%r6], {%r1, %r2, %r3, %r4};
	ldmatrix.sync.aligned.m8n8.x4`+trans+`.shared.b16 {%r1, %r2, %r3, %r4}, [%r6];
	add.s64 %d2, %q, %d1; st.global.v4.u32 [%d2], {%r1, %r2, %r3, %r4};`, 1, 32, in, 128)
		if err != nil {
			t.Fatal(err)
		}
		for l := range 32 {
			for m := range 4 {
				r, c := l/4, 2*(l%4)
				want := value(m, r, c) | value(m, r, c+1)<<16
				if trans != "" {
					want = value(m, c, r) | value(m, c+1, r)<<16
				}
				if got[4*l+m] != want {
					t.Fatalf("%q: lane %d, matrix %d: %#x, want %#x", trans, l, m, got[4*l+m], want)
				}
			}
		}
	}
}

func TestMemory(t *testing.T) {
	var m ptxsim.Memory
	a, err := m.Alloc(10)
	if err != nil || a%256 != 0 {
		t.Fatalf("%#x, %v", a, err)
	}
	if b, err := m.Bytes(a+2, 8); err != nil || len(b) != 8 || b[0] != 0xff {
		t.Errorf("%v, %v", b, err)
	}
	for _, bad := range []struct {
		at uint64
		n  int64
	}{{a, 11}, {a + 10, 1}, {a - 1, 1}, {a, -1}, {0, 1}} {
		if _, err := m.Bytes(bad.at, bad.n); err == nil {
			t.Errorf("%d bytes at %#x are there", bad.n, bad.at)
		}
	}
	if err := m.Free(a + 1); err == nil {
		t.Error("freed from the middle")
	}
	if err := m.Free(a); err != nil {
		t.Error(err)
	}
	if err := m.Free(a); err == nil {
		t.Error("freed twice")
	}
	if _, err := m.Bytes(a, 1); err == nil {
		t.Error("there after it was freed")
	}
	if b, err := m.Alloc(10); err != nil || b == a {
		t.Errorf("an address comes again: %#x, %v", b, err)
	}
	if _, err := m.Alloc(-1); err == nil {
		t.Error("less than nothing was allocated")
	}
}
