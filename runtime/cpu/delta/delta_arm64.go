package delta

import "github.com/deltaloom/deltaloom/runtime/cpu/isa"

var sets = [...]assembly{
	isa.NEON: {dotsNEON, dotsChannelsNEON, stepNEON, stepChannelsNEON, updateNEON, productsNEON, askNEON},
}

// dotsAsk tells whether dots asks for the rows that come next.
const dotsAsk = false
