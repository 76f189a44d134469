package ptxsim

type class uint8

const (
	bitsClass class = iota
	unsignedClass
	signedClass
	floatClass
	predClass
)

// A typ is an instruction type: .u32, .f16x2, …
type typ struct {
	name  string
	bits  int
	class class
}

var types = func() map[string]typ {
	m := map[string]typ{}
	for _, t := range []typ{
		{"b8", 8, bitsClass}, {"b16", 16, bitsClass}, {"b32", 32, bitsClass}, {"b64", 64, bitsClass},
		{"u8", 8, unsignedClass}, {"u16", 16, unsignedClass}, {"u32", 32, unsignedClass}, {"u64", 64, unsignedClass},
		{"s8", 8, signedClass}, {"s16", 16, signedClass}, {"s32", 32, signedClass}, {"s64", 64, signedClass},
		{"f16", 16, floatClass}, {"bf16", 16, floatClass}, {"f16x2", 32, floatClass}, {"bf16x2", 32, floatClass},
		{"f32", 32, floatClass}, {"f64", 64, floatClass}, {"pred", 1, predClass},
	} {
		m[t.name] = t
	}
	return m
}()

func (t typ) bytes() int { return t.bits / 8 }

// accepts says whether an instruction of type t takes a register declared as r of the same size.
func (t typ) accepts(r typ) bool {
	if t.class == predClass || r.class == predClass {
		return t.class == r.class
	}
	return t.class == bitsClass || r.class == bitsClass || (t.class == floatClass) == (r.class == floatClass)
}

// mask has the bits that a register of this type holds.
func (t typ) mask() uint64 { return ^uint64(0) >> (64 - t.bits) }

// extend gives a value of type t as a 64-bit one, by sign if t has one.
func (t typ) extend(x uint64) uint64 {
	s := 64 - t.bits
	if t.class == signedClass {
		return uint64(int64(x<<s) >> s)
	}
	return x << s >> s
}
