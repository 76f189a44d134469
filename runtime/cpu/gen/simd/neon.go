package simd

import "fmt"

// Go's assembler lacks most float32 vector mnemonics of arm64, so all arithmetic
// is written as words. The codes are of the Arm Architecture Reference Manual,
// C7.2, for vectors of four float32 (.4s).
var neonCodes = map[string]uint32{
	"fadd": 0x4e20d400, "fsub": 0x4ea0d400, "fmul": 0x6e20dc00, "fdiv": 0x6e20fc00,
	"fmax": 0x4e20f400, "fmin": 0x4ea0f400, "fmla": 0x4e20cc00, "fmls": 0x4ea0cc00,
	"faddp": 0x6e20d400, "fmaxp": 0x6e20f400,
	"and": 0x4e201c00, "orr": 0x4ea01c00, "eor": 0x6e201c00, "bsl": 0x6e601c00,
	"add": 0x4ea08400, "sub": 0x6ea08400,
	"zip1": 0x4e803800, "zip2": 0x4e807800, "zip1 d": 0x4ec03800, "zip2 d": 0x4ec07800,
	// One operand; the code holds the count of a shift.
	"frintn": 0x4e218800, "fcvtns": 0x4e21a800, "sshr #31": 0x4f210400, "sshr #1": 0x4f3f0400,
	"shl #23": 0x4f375400,
	"fcvtl":   0x0e217800, "fcvtl2": 0x4e217800, "fcvtn": 0x0e216800, "fcvtn2": 0x4e216800,
	"dup s[0]": 0x4e040400, "dup s[1]": 0x4e0c0400, "dup d[1]": 0x4e180400,
}

// neon is one instruction: registers d, n and, where it has a second operand, m.
func neon(op string, d, n int, m ...int) string {
	code, ok := neonCodes[op]
	if !ok {
		panic("no arm64 code for " + op)
	}
	code |= uint32(n)<<5 | uint32(d)
	comment := fmt.Sprintf("%s v%d, v%d", op, d, n)
	if len(m) > 0 {
		code |= uint32(m[0]) << 16
		comment += fmt.Sprintf(", v%d", m[0])
	}
	return fmt.Sprintf("WORD $0x%08x // %s\n", code, comment)
}
