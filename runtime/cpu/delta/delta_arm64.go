package delta

import "github.com/deltaloom/deltaloom/runtime/cpu/isa"

var sets = [...]assembly{
	isa.NEON: {dotsNEON, dotsChannelsNEON, stepNEON, stepChannelsNEON, updateNEON, nil, nil, productsNEON, askNEON},
}
