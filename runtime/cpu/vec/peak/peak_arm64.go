package peak

import "github.com/deltaloom/deltaloom/runtime/cpu/isa"

var sets = [...]kernel{isa.NEON: {multiplyAddNEON, 4}}
