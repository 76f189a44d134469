package peak

import "github.com/deltaloom/deltaloom/runtime/cpu/isa"

var sets = [...]kernel{isa.AVX2: {multiplyAddAVX2, 8}, isa.AVX512: {multiplyAddAVX512, 16}}
