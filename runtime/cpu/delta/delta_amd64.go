package delta

import "github.com/deltaloom/deltaloom/runtime/cpu/isa"

// Kernels of AVX512 would be slower where they were measured, see adr/0004.
var sets = [...]assembly{isa.AVX2: avx2, isa.AVX512: avx2}

var avx2 = assembly{dotsAVX2, dotsChannelsAVX2, stepAVX2, stepChannelsAVX2, updateAVX2, tokenAVX2, tokenChannelsAVX2, productsAVX2, askAVX2}
