package ptxsim_test

import (
	"encoding/binary"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/deltaloom/deltaloom/tools/ptxsim"
)

// kernel wraps instructions: %p is the address of parameter 0, %q of parameter 1,
// %t the thread, %g its number in the grid, %pt and %qt the words of the thread.
func kernel(body string) string {
	return `.version 7.0
.target sm_80
.address_size 64
.extern .shared .align 16 .b8 dynamic[]; .const .align 4 .u32 table[5] = {10, -1, 30};
.visible .entry k(.param .u64 k_0, .param .u64 k_1)
{
	.reg .pred %c<8>;
	.reg .b16 %h<16>;
	.reg .b32 %r<64>;
	.reg .f32 %f<64>;
	.reg .b64 %d<64>; .reg .f64 %e<8>;
	.reg .b64 %p, %q, %pt, %qt;
	.reg .b32 %t, %g, %b, %n;
	.shared .align 16 .b8 fixed[1024]; .local .align 16 .b8 own[16];
	ld.param.u64 %p, [k_0];
	ld.param.u64 %q, [k_1];
	mov.u32 %t, %tid.x;
	mov.u32 %b, %ctaid.x;
	mov.u32 %n, %ntid.x;
	mad.lo.s32 %g, %b, %n, %t;
	mul.wide.u32 %d0, %g, 4;
	add.s64 %pt, %p, %d0;
	add.s64 %qt, %q, %d0;
` + body + `
	ret;
}
`
}

// run runs a kernel on two buffers of words and returns the second one.
func run(t *testing.T, body string, blocks, threads int, in []uint32, out int) ([]uint32, error) {
	t.Helper()
	mod, err := ptxsim.Parse(kernel(body))
	if err != nil {
		t.Fatal(err)
	}
	var m ptxsim.Memory
	var params []byte
	for i, n := range []int{len(in), out} {
		at, err := m.Alloc(int64(4 * n))
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			b, err := m.Bytes(at, int64(4*n))
			if err != nil {
				t.Fatal(err)
			}
			for j, x := range in {
				binary.LittleEndian.PutUint32(b[4*j:], x)
			}
		}
		params = binary.LittleEndian.AppendUint64(params, at)
	}
	err = m.Launch(mod.Kernel("k"), [3]uint32{uint32(blocks), 1, 1}, [3]uint32{uint32(threads), 1, 1}, 1024, params)
	b, _ := m.Bytes(binary.LittleEndian.Uint64(params[8:]), int64(4*out))
	words := make([]uint32, out)
	for i := range words {
		words[i] = binary.LittleEndian.Uint32(b[4*i:])
	}
	return words, err
}

func bitsOf(f float32) uint32 { return math.Float32bits(f) }

// Each instruction on operands x and y, of which one is a register of the type.
func TestInstructions(t *testing.T) {
	minus := func(n int32) uint32 { return uint32(-n) }
	for _, c := range []struct {
		body       string
		x, y, want uint32
	}{
		{"add.s32 %r3, %r1, %r2;", 0xffffffff, 2, 1},
		{"sub.u32 %r3, %r1, %r2;", 1, 2, 0xffffffff},
		{"mul.lo.s32 %r3, %r1, %r2;", minus(3), 7, minus(21)},
		{"mul.hi.u32 %r3, %r1, %r2;", 0x80000000, 6, 3},
		{"mul.hi.s32 %r3, %r1, %r2;", 0x80000000, 6, minus(3)},
		{"mul.wide.s32 %d1, %r1, %r2; shr.u64 %d1, %d1, 32; cvt.u32.u64 %r3, %d1;", minus(1), 2, 0xffffffff},
		{"mad.lo.s32 %r3, %r1, %r2, 5;", 3, 4, 17},
		{"div.s32 %r3, %r1, %r2;", minus(7), 2, minus(3)},
		{"rem.s32 %r3, %r1, %r2;", minus(7), 2, minus(1)},
		{"div.u32 %r3, %r1, %r2;", 0xffffffff, 16, 0x0fffffff},
		{"max.s32 %r3, %r1, %r2;", minus(7), 2, 2},
		{"min.u32 %r3, %r1, %r2;", minus(7), 2, 2},
		{"abs.s32 %r3, %r1;", minus(7), 0, 7},
		{"shl.b32 %r3, %r1, %r2;", 3, 33, 0},
		{"shr.s32 %r3, %r1, %r2;", minus(8), 1, minus(4)},
		{"shr.u32 %r3, %r1, %r2;", 0x80000000, 31, 1},
		{"shf.l.wrap.b32 %r3, %r1, %r2, 8;", 0x12345678, 0xaabbccdd, 0xbbccdd12},
		{"shf.r.clamp.b32 %r3, %r1, %r2, 40;", 0x12345678, 0xaabbccdd, 0xaabbccdd},
		{"popc.b32 %r3, %r1;", 0xf0f0, 0, 8},
		{"clz.b32 %r3, %r1;", 1 << 20, 0, 11},
		{"brev.b32 %r3, %r1;", 1, 0, 0x80000000},
		{"bfe.u32 %r3, %r1, 4, 8;", 0x12345678, 0, 0x67},
		{"bfe.s32 %r3, %r1, 4, 4;", 0x000000f0, 0, 0xffffffff},
		{"bfi.b32 %r3, %r1, %r2, 8, 8;", 0xab, 0x12345678, 0x1234ab78},
		{"lop3.b32 %r3, %r1, %r2, 255, 0x6a;", 0xf0, 0x3c, 0xff ^ 0x30},
		{"prmt.b32 %r3, %r1, %r2, 0x7210;", 0x33221100, 0x77665544, 0x77221100},
		{"prmt.b32 %r3, %r1, %r2, 0x0008;", 0x00000080, 0, 0x808080ff},
		{"dp4a.s32.s32 %r3, %r1, %r2, 10;", 0x01ff0203, 0x02030405, 10 + 2 - 3 + 8 + 15},
		{"dp4a.u32.s32 %r3, %r1, %r2, 0;", 0x000000ff, 0x00000002, 510},
		{"selp.b32 %r3, %r1, %r2, %c1;", 1, 2, 2},
		{"setp.lt.s32 %c2, %r1, %r2; selp.b32 %r3, 1, 0, %c2;", minus(1), 1, 1},
		{"setp.lt.u32 %c2, %r1, %r2; selp.b32 %r3, 1, 0, %c2;", minus(1), 1, 0},
		{"setp.eq.and.s32 %c2|%c3, %r1, %r2, %c1; selp.b32 %r3, 1, 0, %c3;", 5, 5, 0},
		{"setp.neu.f32 %c2, %f1, %f1; selp.b32 %r3, 1, 0, %c2;", 0x7fc00000, 0, 1},
		{"@!%c1 mov.u32 %r3, 9; @%c1 mov.u32 %r3, 8;", 0, 0, 9},
		{"add.f32 %f3, %f1, %f2; mov.b32 %r3, %f3;", bitsOf(1.5), bitsOf(2), bitsOf(3.5)},
		// 1 + 2^-24 + 2^-60 rounds up only where the sum is rounded once.
		{"mov.f32 %f4, 0f27800000; fma.rn.f32 %f3, %f1, %f2, 0f3F800000; fma.rn.f32 %f3, %f4, %f4, %f3; mov.b32 %r3, %f3;", bitsOf(0), bitsOf(0), bitsOf(1)},
		{"fma.rn.f32 %f3, %f1, %f1, %f2; mov.b32 %r3, %f3;", bitsOf(1 + 0x1p-12), bitsOf(-1), bitsOf(0x1p-11 + 0x1p-24)},
		{"max.f32 %f3, %f1, %f2; mov.b32 %r3, %f3;", 0x7fc00000, bitsOf(2), bitsOf(2)},
		{"rcp.rn.f32 %f3, %f1; mov.b32 %r3, %f3;", bitsOf(3), 0, bitsOf(1 / float32(3))},
		{"sqrt.rn.f32 %f3, %f1; mov.b32 %r3, %f3;", bitsOf(2), 0, bitsOf(float32(math.Sqrt2))},
		{"ex2.approx.f32 %f3, %f1; mov.b32 %r3, %f3;", bitsOf(-3), 0, bitsOf(0.125)},
		{"neg.f32 %f3, %f1; mov.b32 %r3, %f3;", bitsOf(2), 0, bitsOf(-2)},
		{"cvt.rn.f32.s32 %f3, %r1; mov.b32 %r3, %f3;", minus(5), 0, bitsOf(-5)},
		{"cvt.rzi.s32.f32 %r3, %f1;", bitsOf(-2.7), 0, minus(2)},
		{"cvt.rni.s32.f32 %r3, %f1;", bitsOf(2.5), 0, 2},
		{"cvt.rzi.u32.f32 %r3, %f1;", bitsOf(-2.7), 0, 0},
		{"cvt.rn.f16.f32 %h1, %f1; cvt.f32.f16 %f3, %h1; mov.b32 %r3, %f3;", bitsOf(1 + 0x1p-11), 0, bitsOf(1)},
		{"cvt.rn.f16.f32 %h1, %f1; mov.b32 %r3, {%h1, %h1};", bitsOf(0x1p-25), 0, 0},
		{"cvt.rn.f16.f32 %h1, %f1; mov.b32 %r3, {%h1, %h1};", bitsOf(65519), 0, 0x7bff7bff},
		{"cvt.rn.bf16.f32 %h1, %f1; mov.b32 %r3, {%h1, %h1};", bitsOf(1 + 3*0x1p-8), 0, 0x3f823f82},
		{"cvt.rn.bf16x2.f32 %r3, %f1, %f2;", bitsOf(1), bitsOf(2), 0x3f804000},
		{"cvt.s32.s8 %r3, %r1;", 0x80, 0, 0xffffff80},
		{"cvt.s8.s32 %h1, %r1; cvt.rn.f32.s16 %f3, %h1; mov.b32 %r3, %f3;", 0x1fe, 0, bitsOf(-2)},
		{"ld.global.s8 %h1, [%p]; cvt.s32.s16 %r3, %h1;", 0x80, 0, 0xffffff80},
		{"ld.global.s16 %d1, [%p]; shr.u64 %d1, %d1, 32; cvt.u32.u64 %r3, %d1;", 0x8000, 0, 0xffffffff},
		{"cvt.u32.u8 %r3, %r1;", 0x1ff, 0, 0xff},
		{"mov.b32 {%h1, %h2}, %r1; mov.b32 %r3, {%h2, %h1};", 0x12345678, 0, 0x56781234},
		{"fma.rn.f16x2 %r3, %r1, %r2, %r1;", 0x3c004000, 0x3c003c00, 0x40004400},
		{"mul24.lo.u32 %r3, %r1, %r2;", 0xff000003, 0x01000005, 15},
		{"mad24.hi.s32 %r3, %r1, %r2, 1;", 0x00ffffff, 0x00010000, 0},
		{"mad.hi.u32 %r3, %r1, %r2, 7;", 0x80000000, 6, 10},
		{"mad.wide.u32 %d1, %r1, %r2, 1; cvt.u32.u64 %r3, %d1;", 0xffffffff, 2, 0xffffffff},
		{"sad.s32 %r3, %r1, %r2, 1;", minus(3), 4, 8},
		{"dp2a.lo.s32.s32 %r3, %r1, %r2, 1;", 0x0002ffff, 0x00000304, 1 - 4 + 6},
		{"dp2a.hi.u32.u32 %r3, %r1, %r2, 1;", 0x00020001, 0x03040000, 1 + 4 + 6},
		{"dp4a.s32.u32 %r3, %r1, %r2, 0;", 0x000000ff, 0x000000ff, minus(255)},
		{"rem.u32 %r3, %r1, %r2;", 17, 5, 2},
		{"cvt.u64.u32 %d1, %r1; mul.lo.u64 %d1, %d1, %d1; cvt.u64.u32 %d2, %r2; div.u64 %d1, %d1, %d2; cvt.u32.u64 %r3, %d1;", 1000000, 1000, 1000000000},
		{"neg.s32 %r3, %r1;", 5, 0, minus(5)},
		{"not.b32 %r3, %r1;", 5, 0, 0xfffffffa},
		{"bfind.u32 %r3, %r1;", 0x00010000, 0, 16},
		{"bfe.s32 %r3, %r1, 28, 8;", 0x80000000, 0, 0xfffffff8},
		{"bfi.b32 %r3, %r1, %r2, 28, 8;", 0xff, 0x12345678, 0xf2345678},
		{"shr.s32 %r3, %r1, 40;", minus(1), 0, 0xffffffff},
		{"slct.b32.s32 %r3, %r1, 7, %r2;", 3, minus(1), 7},
		{"set.lt.u32.s32 %r3, %r1, %r2;", minus(1), 1, 0xffffffff},
		{"setp.gt.or.u32 %c2, %r1, %r2, !%c1; selp.b32 %r3, 1, 0, %c2;", 1, 2, 1},
		{"setp.ltu.f32 %c2, %f1, %f2; selp.b32 %r3, 1, 0, %c2;", 0x7fc00000, 0, 1},
		{"setp.ne.f32 %c2, %f1, %f2; selp.b32 %r3, 1, 0, %c2;", 0x7fc00000, 0, 0},
		{"testp.subnormal.f32 %c2, %f1; selp.b32 %r3, 1, 0, %c2;", 1, 0, 1},
		{"setp.eq.s32 %c2, 1, 1; and.pred %c2, %c2, !%c1; not.pred %c3, %c2; xor.pred %c3, %c3, %c2; selp.b32 %r3, 1, 0, %c3;", 0, 0, 1},
		{"copysign.f32 %f3, %f1, %f2; mov.b32 %r3, %f3;", bitsOf(-1), bitsOf(3), bitsOf(-3)},
		{"add.ftz.f32 %f3, %f1, %f2; mov.b32 %r3, %f3;", 1, 1, 0},
		{"add.sat.f32 %f3, %f1, %f2; mov.b32 %r3, %f3;", bitsOf(0.75), bitsOf(0.5), bitsOf(1)},
		{"max.NaN.f32 %f3, %f1, %f2; mov.b32 %r3, %f3;", 0x7fc00000, bitsOf(2), 0x7fffffff},
		{"min.f32 %f3, %f1, %f2; mov.b32 %r3, %f3;", bitsOf(0), 0x80000000, 0x80000000},
		{"div.rn.f32 %f3, %f1, %f2; mov.b32 %r3, %f3;", bitsOf(1), bitsOf(3), bitsOf(1 / float32(3))},
		{"rsqrt.approx.f32 %f3, %f1; mov.b32 %r3, %f3;", bitsOf(4), 0, bitsOf(0.5)},
		{"lg2.approx.f32 %f3, %f1; mov.b32 %r3, %f3;", bitsOf(8), 0, bitsOf(3)},
		{"tanh.approx.f32 %f3, %f1; mov.b32 %r3, %f3;", bitsOf(100), 0, bitsOf(1)},
		{"cvt.rmi.f32.f32 %f3, %f1; mov.b32 %r3, %f3;", bitsOf(-2.5), 0, bitsOf(-3)},
		{"cvt.sat.s8.s32 %r3, %r1;", minus(1000), 0, minus(128)},
		{"cvt.rni.sat.s8.f32 %r3, %f1;", bitsOf(300), 0, 127},
		{"cvt.rzi.s32.f32 %r3, %f1;", 0x7fc00000, 0, 0},
		{"cvt.rzi.u32.f32 %r3, %f1;", bitsOf(0x1p40), 0, 0xffffffff},
		{"cvt.u64.u32 %d1, %r1; shl.b64 %d1, %d1, 32; cvt.rn.f32.u64 %f3, %d1; mov.b32 %r3, %f3;", 0x80000000, 0, bitsOf(0x1p63)},
		{"cvt.rz.f16.f32 %h1, %f1; mov.b32 %r3, {%h1, %h1};", bitsOf(1 + 3*0x1p-11), 0, 0x3c013c01},
		{"cvt.rn.bf16.f32 %h1, %f1; mov.b32 %r3, {%h1, %h1};", 0x7f7fffff, 0, 0x7f807f80},
		{"cvt.rn.f16x2.f32 %r3, %f1, %f2;", bitsOf(1), bitsOf(2), 0x3c004000},
		{"add.f16x2 %r3, %r1, %r2;", 0x3c003c00, 0x40003c00, 0x42004000},
		{"fma.rn.bf16x2 %r3, %r1, %r2, %r1;", 0x3f804000, 0x3f803f80, 0x40004080},
		{"max.bf16x2 %r3, %r1, %r2;", 0x3f804000, 0x40003f80, 0x40004000},
		{"neg.f16x2 %r3, %r1;", 0x3c00bc00, 0, 0xbc003c00},
		{"cvt.f64.f32 %e1, %f1; fma.rn.f64 %e1, %e1, %e1, 0d3FF0000000000000; cvt.rn.f32.f64 %f3, %e1; mov.b32 %r3, %f3;", bitsOf(3), 0, bitsOf(10)},
		{"atom.global.cas.b32 %r4, [%p], %r1, 77; ld.global.u32 %r3, [%p]; add.u32 %r3, %r3, %r4;", 5, 0, 82},
		{"atom.global.max.s32 %r4, [%p], %r2; ld.global.u32 %r3, [%p];", minus(5), 3, 3},
		{"atom.global.add.f32 %f4, [%p], %f2; ld.global.u32 %r3, [%p];", bitsOf(1), bitsOf(2), bitsOf(3)},
		{"red.global.and.b32 [%p], %r2; ld.global.u32 %r3, [%p];", 0xff, 0x0f0, 0xf0},
		{"ld.global.L1::no_allocate.v2.u16 {%h1, %h2}, [%p]; mov.b32 %r3, {%h2, %h1};", 0x12345678, 0, 0x56781234},
	} {
		load := "ld.global.u32 %r1, [%p]; ld.global.u32 %r2, [%p+4]; mov.b32 %f1, %r1; mov.b32 %f2, %r2; setp.ne.s32 %c1, 0, 0; "
		got, err := run(t, load+c.body+" st.global.u32 [%qt], %r3;", 1, 1, []uint32{c.x, c.y}, 1)
		if err != nil {
			t.Errorf("%s: %v", c.body, err)
		} else if got[0] != c.want {
			t.Errorf("%s of %#x and %#x: %#x, want %#x", c.body, c.x, c.y, got[0], c.want)
		}
	}
}

// What a kernel does wrong is named with its line, block and thread; what looks like
// it and is right is let through.
func TestFaults(t *testing.T) {
	const (
		toShared      = "mul.lo.u32 %r1, %t, 4; mov.u32 %r2, fixed; add.u32 %r3, %r2, %r1; cvt.u64.u32 %d1, %r3; st.shared.u32 [%d1], %t; "
		fromOther     = "xor.b32 %r4, %t, 32; mul.lo.u32 %r4, %r4, 4; add.u32 %r4, %r4, %r2; cvt.u64.u32 %d2, %r4; ld.shared.u32 %r5, [%d2]; st.global.u32 [%qt], %r5;"
		fromNeighbour = "xor.b32 %r4, %t, 1; mul.lo.u32 %r4, %r4, 4; add.u32 %r4, %r4, %r2; cvt.u64.u32 %d2, %r4; ld.shared.u32 %r5, [%d2]; "
		everyoneTo    = "st.global.u32 [%q], %b; "
		// Blocks run side by side: this one waits until block 0 has said so.
		afterBlock0 = "setp.eq.u32 %c1, %b, 0; @%c1 bra $W; $L: ld.volatile.global.u32 %r1, [%q+4]; setp.ne.u32 %c2, %r1, 1; @%c2 bra $L; $W: "
	)
	testFaults(t, []faultCase{
		{"read behind the end", "ld.global.u32 %r1, [%pt+256];", 1, 64, "4 bytes at 0x7f0000000100 are outside of global memory"},
		{"read before the beginning", "ld.global.u32 %r1, [%p+-4];", 1, 1, "outside of global memory"},
		{"write behind the end", "st.global.v4.u32 [%q+256], {%t, %t, %t, %t};", 1, 1, "16 bytes at 0x7f0000001200 are outside of global memory"},
		{"misaligned", "ld.global.v2.u32 {%r1, %r2}, [%p+4];", 1, 1, "is not aligned to the 8 bytes"},
		{"shared memory behind the end", "mov.u64 %d1, 4096; ld.shared.u32 %r1, [%d1];", 1, 1, "0x1000 are outside of shared memory"},
		{"null", "mov.u64 %d1, 0; ld.global.u32 %r1, [%d1];", 1, 1, "outside of global memory"},
		{"no barrier", toShared + fromOther, 1, 64, "reads shared memory that nobody wrote"},
		{"no barrier between a read and a write", toShared + "bar.sync 0; " + fromOther + " st.shared.u32 [%d1], %r5;", 1, 64, "race in shared memory: reads what thread [0 0 0] writes at line 24"},
		{"no barrier between writes", "st.shared.u32 [fixed], 1;", 1, 64, "race in shared memory: writes what thread [31 0 0] writes"},
		{"a barrier", toShared + "bar.sync 0; " + fromOther, 1, 64, ""},
		{"no barrier within a warp", toShared + fromNeighbour, 1, 64, "race in shared memory: reads what thread [1 0 0] writes"},
		{"a barrier within a warp", toShared + "bar.warp.sync -1; " + fromNeighbour + "bar.warp.sync -1; " + toShared, 1, 64, ""},
		{"write behind a neighbour's read", toShared + "bar.warp.sync -1; " + fromNeighbour + toShared, 1, 64, "race in shared memory: writes what thread [1 0 0] reads"},
		{"blocks write one word", afterBlock0 + everyoneTo + "st.volatile.global.u32 [%q+4], 1;", 2, 1, "writes at 0x7f0000001100 what block [0 0 0] writes"},
		{"one block writes it", everyoneTo, 1, 64, ""},
		{"atomic operations of blocks", "red.global.add.u32 [%q], 1;", 4, 64, ""},
		{"barrier that some leave out", "setp.lt.u32 %c1, %t, 16; @%c1 bra $L; bar.sync 0; bra $M; $L: shfl.sync.idx.b32 %r1, %t, 0, 31, -1; $M:", 1, 32, "lanes 0000ffff wait for lanes ffff0000"},
		{"exited threads have arrived", "setp.lt.u32 %c1, %t, 40; @%c1 ret; bar.sync 0; st.global.u32 [%qt], %t;", 1, 64, ""},
		{"lane that has left", "setp.eq.u32 %c1, %t, 3; @%c1 ret; shfl.sync.idx.b32 %r1, %t, 3, 31, -1;", 1, 32, "takes the value of lane 3"},
		{"trap", "setp.eq.u32 %c1, %g, 70; @%c1 trap;", 2, 64, "block [1 0 0] thread [6 0 0]: the kernel traps"},
	})
}

// faultCase is a kernel, and what is wrong with it.
type faultCase struct {
	name, body      string
	blocks, threads int
	want            string // of the fault, "" for none
}

// testFaults runs kernels and wants their faults, each with its place.
func testFaults(t *testing.T, cases []faultCase) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := run(t, c.body, c.blocks, c.threads, make([]uint32, 64), 64)
			var f *ptxsim.Fault
			switch {
			case c.want == "" && err != nil:
				t.Error(err)
			case c.want != "" && (!errors.As(err, &f) || !strings.Contains(err.Error(), c.want) || f.Kernel != "k" || f.Line == 0):
				t.Errorf("%v, want a fault that says %q", err, c.want)
			}
		})
	}
}

// A lane whose way is longer is waited for by those that exchange values with it, even
// where its code comes last in the text.
func TestReconvergence(t *testing.T) {
	got, err := run(t, `
	mov.u32 %r1, 0;
	mov.u32 %r2, %t;
$LOOP:
	shfl.sync.bfly.b32 %r3, %r2, 1, 31, -1;
	add.u32 %r2, %r2, %r3;
	setp.eq.u32 %c1, %t, 0;
	@%c1 bra $EXTRA;
$BACK:
	add.u32 %r1, %r1, 1;
	setp.lt.u32 %c2, %r1, 3;
	@%c2 bra $LOOP;
	st.global.u32 [%qt], %r2;
	ret;
$EXTRA:
	add.u32 %r2, %r2, 100;
	bra $BACK;`, 1, 32, make([]uint32, 64), 64)
	if err != nil {
		t.Fatal(err)
	}
	x := [2]uint32{0, 1}
	for range 3 {
		x[0], x[1] = x[0]+x[1]+100, x[0]+x[1]
	}
	if got[0] != x[0] || got[1] != x[1] || got[2] != 20 {
		t.Errorf("lanes 0 and 1 have %d and %d, want %v; lane 2 has %d", got[0], got[1], x, got[2])
	}
}

// A copy to shared memory is there when it has been waited for, and not before.
func TestAsyncCopy(t *testing.T) {
	const copyThen = `mov.u32 %r2, dynamic; mul.lo.u32 %r1, %t, 16; add.u32 %r2, %r2, %r1; cvt.u64.u32 %d1, %r2;
	mul.wide.u32 %d2, %t, 16; add.s64 %d2, %p, %d2;
	cp.async.cg.shared.global [%d1], [%d2], 16; cp.async.commit_group; %s
	ld.shared.u32 %r3, [%d1]; st.global.u32 [%qt], %r3;`
	in := make([]uint32, 64)
	for i := range in {
		in[i] = uint32(i)
	}
	for wait, there := range map[string]bool{"": false, "cp.async.wait_group 0;": true, "cp.async.wait_all;": true, "cp.async.wait_group 1;": false} {
		got, err := run(t, strings.Replace(copyThen, "%s", wait, 1), 1, 16, in, 16)
		switch {
		case there && (err != nil || got[1] != 4):
			t.Errorf("after %q there is %#x, want 4 (%v)", wait, got[1], err)
		case !there && (err == nil || !strings.Contains(err.Error(), "nobody wrote")):
			t.Errorf("after %q the copy is there: %v", wait, err)
		}
	}
}

// Matrix products against sums over the fragments as the manual lays them out.
func TestMMA(t *testing.T) {
	in := make([]uint32, 192) // A in 4 words a lane, then B in 2
	for i := range in {
		in[i] = uint32(i)*2654435761 ^ 0x5a5a5a5a
	}
	byteAt := func(word uint32, i int) float64 { return float64(int8(word >> (8 * i))) }
	got, err := run(t, `
	mul.wide.u32 %d1, %t, 16; add.s64 %d1, %p, %d1; ld.global.v4.u32 {%r1, %r2, %r3, %r4}, [%d1];
	mul.wide.u32 %d2, %t, 8; add.s64 %d2, %p, %d2; ld.global.v2.u32 {%r5, %r6}, [%d2+512];
	mov.u32 %r7, 1;
	mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%r10, %r11, %r12, %r13}, {%r1, %r2, %r3, %r4}, {%r5, %r6}, {%r7, %r7, %r7, %r7};
	mul.wide.u32 %d3, %t, 16; add.s64 %d3, %q, %d3; st.global.v4.u32 [%d3], {%r10, %r11, %r12, %r13};`, 1, 32, in, 128)
	if err != nil {
		t.Fatal(err)
	}
	// Row r, column k of A: lane 4(r mod 8) + (k mod 16)/4, word r/8 + 2(k/16), byte k mod 4.
	a := func(r, k int) float64 { return byteAt(in[(4*(r%8)+k%16/4)*4+r/8+2*(k/16)], k%4) }
	b := func(k, n int) float64 { return byteAt(in[128+(4*n+k%16/4)*2+k/16], k%4) }
	for r := range 16 {
		for n := range 8 {
			want := 1.0
			for k := range 32 {
				want += a(r, k) * b(k, n)
			}
			if have := int32(got[(4*(r%8)+n/2)*4+2*(r/8)+n%2]); float64(have) != want {
				t.Fatalf("row %d, column %d: %d, want %g", r, n, have, want)
			}
		}
	}
}

// What Parse does not know is an error with the line, and nothing makes it panic.
func TestParseErrors(t *testing.T) {
	for body, want := range map[string]string{
		"cp.asinc.commit_grupp;":                    "none of .async",
		"frobnicate.u32 %r1, %r2;":                  "unknown instruction",
		"add.u32 %r1, %r99, 1;":                     "unknown register %r99",
		"add.quick.u32 %r1, %r2, %r3;":              "add with .quick is not simulated",
		"add.u32 %r1, %r2;":                         "too few operands",
		"bra $NOWHERE;":                             "unknown label $NOWHERE",
		"ld.global.u32 %r1, %d1;":                   "no address",
		"ld.global.v4.u64 {%d1,%d2,%d3,%d4}, [%p];": "no such access",
		"add.rz.f32 %f1, %f2, %f3;":                 "add with .rz is not simulated",
		"call f;":                                   "calls are not simulated",
	} {
		_, err := ptxsim.Parse(kernel(body))
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "line 24") {
			t.Errorf("%s: %v, want line 24 and %q", body, err, want)
		}
	}
	for _, text := range []string{"}", "{", "ret;", ".entry", ".visible .entry k(.param .b8 x[99999999999])\n{ret;}",
		"/*", ".visible .entry k()\n{ ret;", ".global .b8 x[268435457];"} {
		if _, err := ptxsim.Parse(text); err == nil {
			t.Errorf("%q was parsed", text)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(kernel("add.u32 %r1, %r2, %r3;"))
	f.Add(kernel("@%c1 mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%f1,%f2,%f3,%f4}, {%r1,%r2,%r3,%r4}, {%r5,%r6}, {%f1,%f2,%f3,%f4};"))
	f.Fuzz(func(t *testing.T, text string) {
		if m, err := ptxsim.Parse(text); err == nil {
			for _, name := range m.Kernels() {
				if m.Kernel(name) == nil {
					t.Errorf("kernel %q is listed and not there", name)
				}
			}
		}
	})
}

func BenchmarkFMA(b *testing.B) {
	mod, err := ptxsim.Parse(kernel("mov.u32 %r1, 0; $L:\n" + strings.Repeat("fma.rn.f32 %f1, %f2, %f3, %f1;\n", 20) +
		"add.u32 %r1, %r1, 1; setp.lt.u32 %c1, %r1, 500; @%c1 bra $L;"))
	if err != nil {
		b.Fatal(err)
	}
	var m ptxsim.Memory
	for b.Loop() {
		if err := m.Launch(mod.Kernel("k"), [3]uint32{1, 1, 1}, [3]uint32{32, 1, 1}, 0, make([]byte, 16)); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/(500*23), "ns/instruction")
}
