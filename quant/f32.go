package quant

import (
	"encoding/binary"
	"math"

	"github.com/deltaloom/deltaloom/graph"
)

func init() { register(graph.F32, codec{unpack: unpackF32, pack: packF32}) }

func unpackF32(dst []float32, src []byte) {
	for i := range dst {
		dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(src[4*i:]))
	}
}

func packF32(dst []byte, src []float32) {
	for i, v := range src {
		binary.LittleEndian.PutUint32(dst[4*i:], math.Float32bits(v))
	}
}
