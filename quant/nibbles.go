package quant

// Formats with 32 elements a block keep 4 bits of each in 16 bytes qs: element e
// below 16 in the low half of qs[e], those above in the high halves.

const (
	nibbleBlock = 32
	nibbleBytes = 16
)

func nibble(qs []byte, e int) byte { return qs[e%nibbleBytes] >> (e / nibbleBytes * 4) & 15 }

// putNibble sets the bits of element e, which are 0 so far.
func putNibble(qs []byte, e int, q byte) { qs[e%nibbleBytes] |= q << (e / nibbleBytes * 4) }
