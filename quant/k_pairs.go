package quant

// The K quants of 256 elements that have a scale and a minimum for each of 8
// groups keep these pairs, 6 bits a number, in 12 bytes s. For the pair k:
//
//	k < 4   scale = s[k] & 63                            min = s[k+4] & 63
//	k >= 4  scale = s[k+4] & 15 | (s[k-4] >> 6) << 4     min = s[k+4] >> 4 | (s[k] >> 6) << 4

const pairBytes = 12

// pair returns the scale and the minimum of group k.
func pair(s []byte, k int) (scale, low byte) {
	if k < 4 {
		return s[k] & 63, s[k+4] & 63
	}
	return s[k+4]&15 | s[k-4]>>6<<4, s[k+4]>>4 | s[k]>>6<<4
}

// putPairs is the inverse of pair for all groups; no number is above 63.
func putPairs(s []byte, scale, low *[8]byte) {
	for k := range 4 {
		s[k] = scale[k] | scale[k+4]>>4<<6
		s[k+4] = low[k] | low[k+4]>>4<<6
		s[k+8] = scale[k+4]&15 | low[k+4]&15<<4
	}
}
