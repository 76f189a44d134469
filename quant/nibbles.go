package quant

// Formats with 32 elements a block keep 4 bits of each in 16 bytes qs: element e
// below 16 in the low half of qs[e], those above in the high halves.

const (
	nibbleBlock = 32
	nibbleBytes = 16
)

// nibbles writes the bits of 32 elements.
func nibbles(q []int8, qs []byte) {
	low, high := q[:nibbleBytes], q[nibbleBytes:nibbleBlock]
	for i, b := range qs[:nibbleBytes] {
		low[i], high[i] = int8(b&15), int8(b>>4)
	}
}

// lookUp replaces codes of 4 bits with the values that they stand for.
func lookUp(q []int8, values *[16]int8) {
	for i, code := range q {
		q[i] = values[code&15]
	}
}

// putNibble sets the bits of element e, which are 0 so far.
func putNibble(qs []byte, e int, q byte) { qs[e%nibbleBytes] |= q << (e / nibbleBytes * 4) }
