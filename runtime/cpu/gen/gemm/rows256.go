package main

import (
	"encoding/binary"
	"fmt"
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// rows256 emits a kernel for quantised weights.
func rows256(describe func(holder) format256, rows, m int) {
	if describe(func(c Mem) Op { return c }).scales == nil {
		smallBlocks256(describe, rows, m)
	} else {
		largeBlocks256(describe, rows, m)
	}
}

// hold256 returns a holder that fills the registers.
func hold256(free ...VecPhysical) holder {
	held := map[string]VecPhysical{}
	return func(constant Mem) Op {
		if r, ok := held[constant.Symbol.Name]; ok {
			return r
		}
		if len(free) == 0 {
			return constant
		}
		r := free[0]
		free = free[1:]
		VMOVDQU(constant, r)
		held[constant.Symbol.Name] = r
		return r
	}
}

// A rowKernel256 is the registers of a kernel beside its accumulators y[:4*m].
type rowKernel256 struct {
	format256
	m     int
	sides []lanes       // rows of W: two side by side, or one with two rows of activations
	sum   VecPhysical   // of products, where several need q
	abs   VecPhysical   // |q|, where several need it
	prod  VecPhysical   // d·scale, where several need the scale
	act   VecPhysical   // d of a row of activations
	x     []Op          // a row of activations
	apart []VecPhysical // a row of activations: what offset adds to sums, or s
	pick  Op            // see pair256
	ones  Op
}

func newRowKernel256(describe func(holder) format256, rows, m int) rowKernel256 {
	f := describe(func(c Mem) Op { return c })
	begin("avx2", f.name, rows, m)
	MOVQ(Mem{Base: RAX, Disp: tileD}, d)
	if f.mins {
		MOVQ(Mem{Base: RAX, Disp: tileS}, s)
	}
	k := rowKernel256{m: m}
	var free []VecPhysical
	if m == 1 {
		for r := 0; r < rows; r += 2 {
			k.sides = append(k.sides, lanes{{r, Y4, Y6, y[r]}, {r + 1, Y5, Y7, y[r+1]}}[:min(2, rows-r)])
		}
		k.act, k.x, k.apart, free = Y8, []Op{Y9}, y[10:11], y[12:16]
		if k.pick = Y11; !f.pairs {
			free = y[11:16]
		}
	} else {
		for r := range rows {
			k.sides = append(k.sides, lanes{{r, Y8, Y9, Y10}})
		}
		k.sum, k.prod, k.act, k.apart, k.abs = Y10, Y11, Y12, y[13:15], Y15
		if k.x = []Op{Y13, Y14}; !f.signed {
			k.x, free = []Op{nil, nil}, y[15:16]
		}
	}
	hold := hold256(free...)
	k.format256 = describe(hold)
	k.ones = hold(words16(1))
	return k
}

// or returns the register that all lanes share, or else that of a lane.
func or(shared, own VecPhysical) VecPhysical {
	if shared != nil {
		return shared
	}
	return own
}

// load makes ready what all rows of W share for block b: activations, where they stay in
// registers, and what offset adds.
func (k *rowKernel256) load(b int) {
	for i := range k.m {
		from := activation(i, 32*b)
		if v, ok := k.x[i].(VecPhysical); ok {
			VMOVDQU(from, v)
		} else {
			k.x[i] = from
		}
		if k.offset > 0 {
			VMOVDQU(all(byte(k.offset)<<k.up[b%4]), k.apart[i])
			VPMADDUBSW(k.x[i], k.apart[i], k.apart[i])
		}
	}
	if v, ok := k.pick.(VecPhysical); ok && k.pairs {
		VMOVDQU(pair256(b%4), v)
	} else if k.pairs {
		k.pick = pair256(b % 4)
	}
}

// actScale leaves in act what sums of block b are multiplied with.
func (k *rowKernel256) actScale(i, b int) {
	VBROADCASTSS(at(d, xStep, xStep3, i, 4*b), k.act)
	if up := k.up[b%4]; up > 0 {
		factor := math.Float32bits(float32(math.Ldexp(1, -up)))
		VMULPS(table(fmt.Sprintf("down%d", up), binary.LittleEndian.AppendUint32(nil, factor)...), k.act, k.act)
	}
}

// dot leaves the sums of pairs of products of q with activations, 16 words, which hold
// them: the unsigned q, or |q|, is 128 at most, an activation 127.
func (k *rowKernel256) dot(ls lanes, i int) {
	if k.signed {
		if i == 0 {
			ls.each(func(l lane) { VPABSB(l.q, or(k.abs, l.t)) })
		}
		ls.each(
			func(l lane) { VPSIGNB(l.q, k.x[i], or(k.sum, l.q)) },
			func(l lane) { VPMADDUBSW(or(k.sum, l.q), or(k.abs, l.t), or(k.sum, l.q)) })
		return
	}
	ls.each(func(l lane) { VPMADDUBSW(k.x[i], l.q, or(k.sum, l.q)) })
	if k.offset > 0 {
		ls.each(func(l lane) { VPSUBW(k.apart[i], or(k.sum, l.q), or(k.sum, l.q)) })
	}
}

// stack256 returns 32-byte slots on the stack.
func stack256(slots int) func(i int) Mem {
	base := RBX
	LEAQ(AllocLocal(32*(slots+1)), base)
	ADDQ(U8(31), base)
	ANDQ(I8(-32), base)
	return func(i int) Mem { return Mem{Base: base, Disp: 32 * i} }
}

// ds leaves what all rows have at d in v as float32: d of each row or, with minima, d and
// the f16 behind it. One conversion serves them all.
func (k *rowKernel256) ds(rows int, v VecPhysical) {
	if k.mins {
		VPBROADCASTD(weight(0, k.d), v.AsX())
		for r := 1; r < rows; r++ {
			VPINSRD(U8(r), weight(r, k.d), v.AsX(), v.AsX())
		}
		VCVTPH2PS(v.AsX(), v)
		return
	}
	VPBROADCASTW(weight(0, k.d), v.AsX())
	for r := 1; r < rows; r++ {
		VPINSRW(U8(r), weight(r, k.d), v.AsX(), v.AsX())
	}
	VCVTPH2PS(v.AsX(), v.AsX())
}

// dStep is the bytes between the d that ds leaves.
func (k *rowKernel256) dStep() int {
	if k.mins {
		return 8
	}
	return 4
}

// smallBlocks256 emits a kernel for a format with blocks of 32, one block a step.
func smallBlocks256(describe func(holder) format256, rows, m int) {
	k := newRowKernel256(describe, rows, m)
	clear256(rows, m)
	SHRQ(U8(5), n)
	Label("loop")
	k.load(0)
	if k.mins { // s beside the minimum, which comes after the scale
		for i, v := range k.apart {
			VMOVSS(at(s, xStep, xStep3, i, 0), v.AsX())
			VPSLLDQ(U8(4), v.AsX(), v.AsX())
		}
	}
	for r := range rows {
		PREFETCHT0(weight(r, prefetch))
	}
	if m == 1 {
		VBROADCASTSS(Mem{Base: d}, k.act)
	}
	for _, ls := range k.sides {
		k.row(ls, 0)
		for i := range m {
			k.dot(ls, i)
			if i == 0 {
				k.oneScale(ls)
			}
			ls.each(
				func(l lane) { VPMADDWD(k.ones, or(k.sum, l.q), or(k.sum, l.q)) },
				func(l lane) { VCVTDQ2PS(or(k.sum, l.q), or(k.sum, l.q)) })
			if m > 1 {
				VBROADCASTSS(at(d, xStep, xStep3, i, 0), k.act)
			}
			ls.each(
				func(l lane) { VMULPS(k.act, l.t, or(k.prod, l.t)) },
				func(l lane) { VFMADD231PS(or(k.sum, l.q), or(k.prod, l.t), y[4*i+l.r]) })
		}
	}
	ADDQ(U8(k.size), w)
	ADDQ(U8(32), x)
	ADDQ(U8(4), d)
	if k.mins {
		ADDQ(U8(4), s)
	}
	DECQ(n)
	JNZ(LabelRef("loop"))
	finish256(rows, m)
}

// oneScale leaves the scale of a block of 32 in t and adds the minimum.
func (k *rowKernel256) oneScale(ls lanes) {
	switch {
	case k.mins:
		ls.each(
			func(l lane) { VPBROADCASTD(weight(l.r, k.d), l.t.AsX()) },
			func(l lane) { VCVTPH2PS(l.t.AsX(), l.t) })
		for i, v := range k.apart {
			ls.each(func(l lane) { VFMADD231PS(l.t, v, y[4*i+l.r]) })
		}
		ls.each(func(l lane) { VMOVSLDUP(l.t, l.t) })
	case k.scale != nil:
		k.scale(ls)
	default:
		ls.each(
			func(l lane) { VPBROADCASTW(weight(l.r, k.d), l.t.AsX()) },
			func(l lane) { VCVTPH2PS(l.t.AsX(), l.t) })
	}
}

// largeBlocks256 emits a kernel for a format with blocks of 256, one block a step: the
// whole numbers of scales multiply sums of integers, d what is left of the 256
// products.
func largeBlocks256(describe func(holder) format256, rows, m int) {
	k := newRowKernel256(describe, rows, m)
	size := 16 // of the scales of a row as words, and of the minima
	if k.pairs {
		size = 32
	}
	// On the stack lie the sums so far of each result, ds of all rows, and scales and
	// minima of each row.
	slot := stack256(m*rows + 1 + 2*rows)
	total := func(i, r int) Mem { return slot(i*rows + r) }
	ds := slot(m * rows)
	scales := func(r int) Mem { return slot(m*rows + 1).Offset(size * r) }
	mins := func(r int) Mem { return slot(m*rows + 1 + rows).Offset(size * r) }
	VPXOR(Y0, Y0, Y0)
	for i := range m {
		for r := range rows {
			VMOVDQU(Y0, total(i, r))
		}
	}
	Label("loop")
	k.ds(rows, Y8)
	VMOVUPS(Y8, ds)
	for _, ls := range k.sides {
		for line := 0; line < k.size; line += 64 {
			ls.each(func(l lane) { PREFETCHT0(weight(l.r, prefetch+line)) })
		}
		k.scales(ls, scales, mins)
	}
	for b := range 8 {
		k.load(b)
		if m == 1 {
			k.actScale(0, b)
		}
		for _, ls := range k.sides {
			k.row(ls, b)
			for i := range m {
				k.dot(ls, i)
				switch {
				case i > 0:
				case k.pairs:
					ls.each(
						func(l lane) { VBROADCASTI128(scales(l.r).Offset(b/4*16), l.t) },
						func(l lane) { VPSHUFB(k.pick, l.t, l.t) })
				default:
					ls.each(func(l lane) { VPBROADCASTW(scales(l.r).Offset(2*b), l.t) })
				}
				if m > 1 {
					k.actScale(i, b)
				}
				ls.each(
					func(l lane) { VPMADDWD(l.t, or(k.sum, l.q), or(k.sum, l.q)) },
					func(l lane) { VCVTDQ2PS(or(k.sum, l.q), or(k.sum, l.q)) },
					func(l lane) {
						if part := y[4*i+l.r]; b == 0 {
							VMULPS(k.act, or(k.sum, l.q), part)
						} else {
							VFMADD231PS(k.act, or(k.sum, l.q), part)
						}
					})
			}
		}
	}
	for _, ls := range k.sides {
		ls.each(func(l lane) { VBROADCASTSS(ds.Offset(k.dStep()*l.r), l.t) })
		for i := range m {
			ls.each(func(l lane) { VFMADD213PS(total(i, l.r), l.t, y[4*i+l.r]) })
		}
		if k.mins {
			ls.each(func(l lane) { VBROADCASTSS(ds.Offset(k.dStep()*l.r+4), l.t) })
			for h := range size / 16 {
				ls.each(
					func(l lane) { VPMOVZXWD(mins(l.r).Offset(16*h), l.q) },
					func(l lane) { VCVTDQ2PS(l.q, l.q) },
					func(l lane) { VMULPS(l.t, l.q, l.q) })
				for i := range m {
					sums := at(s, xStep, xStep3, i, 32*h)
					ls.each(func(l lane) { VFNMADD231PS(sums, l.q, y[4*i+l.r]) })
				}
			}
		}
		for i := range m {
			ls.each(func(l lane) { VMOVUPS(y[4*i+l.r], total(i, l.r)) })
		}
	}
	ADDQ(U32(k.size), w)
	ADDQ(U32(256), x)
	ADDQ(U8(32), d)
	if k.mins {
		ADDQ(U8(2*size), s)
	}
	SUBQ(U32(256), n)
	JNZ(LabelRef("loop"))
	for i := range m {
		for r := range rows {
			VMOVUPS(total(i, r), y[4*i+r])
		}
	}
	finish256(rows, m)
}

// pair256 is the VPSHUFB that makes 8 words of word 2·b and 8 of the next.
func pair256(b int) Mem {
	var v []byte
	for i := range byte(32) {
		v = append(v, byte(4*b)+i/16*2+i%2)
	}
	return table(fmt.Sprintf("pair%d", b), v...)
}
