package delta

import "github.com/deltaloom/deltaloom/runtime/cpu/isa"

var sets = [...]assembly{
	isa.AVX2:   {dotsAVX2, dotsChannelsAVX2, stepAVX2, stepChannelsAVX2, updateAVX2, productsAVX2, askAVX2},
	isa.AVX512: {dotsAVX512, dotsChannelsAVX512, stepAVX512, stepChannelsAVX512, updateAVX512, productsAVX512, askAVX512},
}
