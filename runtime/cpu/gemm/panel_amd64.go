package gemm

import (
	"unsafe"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/runtime/cpu/isa"
)

// panelOf returns what makes panels of a type, nil where the set has no kernels.
func panelOf(set isa.Set, t graph.DType) *panelType {
	switch set {
	case isa.AVX2:
		return panels256[t]
	case isa.AVX512:
		return panels512[t]
	}
	return nil
}

// The least offset that makes the weights of a type unsigned selects the kernels.
var panels256 = map[graph.DType]*panelType{
	graph.F32:    {&panelF32, nil, 0},
	graph.F16:    {&panelF16, nil, 0},
	graph.BF16:   {&panelBF16, nil, 0},
	graph.Q8_0:   {&panelI16, avx2UnpackQ8_0, 0},
	graph.Q4_0:   {&panelU4x32, avx2UnpackQ4_0, 8},
	graph.Q4_1:   {&panelU4x32, avx2UnpackQ4_1, 0},
	graph.Q5_0:   {&panelU5x32, avx2UnpackQ5_0, 16},
	graph.Q5_1:   {&panelU5x32, avx2UnpackQ5_1, 0},
	graph.IQ4_NL: {&panelI16, avx2UnpackIQ4_NL, 0},
	graph.MXFP4:  {&panelU5x32, avx2UnpackMXFP4, 12},
	graph.Q2_K:   {&panelU5x16, avx2UnpackQ2_K, 0},
	graph.Q3_K:   {&panelU5x16, avx2UnpackQ3_K, 4},
	graph.Q4_K:   {&panelU4x32, avx2UnpackQ4_K, 0},
	graph.Q5_K:   {&panelU5x32, avx2UnpackQ5_K, 0},
	graph.Q6_K:   {&panelU6x16, avx2UnpackQ6_K, 32},
	graph.IQ4_XS: {&panelI16, avx2UnpackIQ4_XS, 0},
}

// Kernels I16 take int8, the others unsigned weights of so many bits: what an offset
// has added to them their minima take away again.
var (
	panelI16   = panel256(8, 32, 16, 0, avx2InterleaveI16, avx2SpreadI16, avx2PanelI16_6, avx2PanelI16_4, avx2PanelI16_2, avx2PanelI16_1)
	panelU4x32 = panel256(5, 32, 8, 1, avx2InterleaveU8x32, avx2SpreadU8x32, avx2PanelU4x32_6, avx2PanelU4x32_4, avx2PanelU4x32_2, avx2PanelU4x32_1)
	panelU5x32 = panel256(5, 32, 8, 1, avx2InterleaveU8x32, avx2SpreadU8x32, avx2PanelU5x32_6, avx2PanelU5x32_4, avx2PanelU5x32_2, avx2PanelU5x32_1)
	panelU5x16 = panel256(5, 16, 4, 1, avx2InterleaveU8x16, avx2SpreadU8x16, avx2PanelU5x16_6, avx2PanelU5x16_4, avx2PanelU5x16_2, avx2PanelU5x16_1)
	panelU6x16 = panel256(5, 16, 4, 1, avx2InterleaveU8x16, avx2SpreadU8x16, avx2PanelU6x16_6, avx2PanelU6x16_4, avx2PanelU6x16_2, avx2PanelU6x16_1)
	panelF32   = panelFloat256(avx2InterleaveF32)
	panelF16   = panelFloat256(avx2InterleaveF16)
	panelBF16  = panelFloat256(avx2InterleaveBF16)
)

const panelWord = 16 * 4 // bytes of a word of each of 16 rows

// panel256 describes panels that pay from so many rows of activations on. They have so
// many words of weights a row and group, and minima or not, 1 or 0. Its last parameters
// are kernels for 6, 4, 2 and 1 rows of activations.
func panel256(least, group, words, minima int, interleave func(panel *byte, q *int8, step, n int, offset int8),
	spread func(q *byte, dAt, step, m int, fromQ *byte, fromD, fromS *float32, n int), six, four, two, one func(*tile)) panelKernels {
	block := panelWord * (words + 1 + minima)
	pack := func(panel []byte, rows *parts, offset int8, n int) {
		for half := range 2 {
			r, at, scales := 8*half, panelWord/2*half, rows.step/group
			interleave(&panel[at], &rows.q[r*rows.step], rows.step, n, offset)
			at += panelWord * words
			avx2Scales(&panel[at], block, &rows.scales[r*scales], 4*scales, n/group, 1)
			if minima > 0 {
				mins, factor := rows.mins, float32(1)
				if offset > 0 {
					mins, factor = rows.scales, float32(offset)
				}
				avx2Scales(&panel[at+panelWord], block, &mins[r*scales], 4*scales, n/group, factor)
			}
		}
	}
	return panelKernels{rows: 16, group: group, block: block, depth: 1024, panels: 4, min: least, pack: pack,
		tile:  &tileLayout{4 * words, 4 * (words + 1 + minima), spread},
		tiles: []panelKernel{{6, six}, {4, four}, {2, two}, {1, one}}}
}

func panelFloat256(interleave func(panel, w *byte, step, n int)) panelKernels {
	pack := func(panel []byte, rows *parts, _ int8, n int) {
		interleave(&panel[0], &rows.floats[0], rows.step, n)
		interleave(&panel[panelWord/2], &rows.floats[8*rows.step], rows.step, n)
	}
	return panelKernels{rows: 16, group: 8, block: 8 * panelWord, depth: 512, panels: 4, min: 16, pack: pack,
		tile:  &tileLayout{32, 32, avx2SpreadFloat},
		tiles: []panelKernel{{6, avx2PanelFloat_6}, {4, avx2PanelFloat_4}, {2, avx2PanelFloat_2}, {1, avx2PanelFloat_1}}}
}

var panels512 = map[graph.DType]*panelType{
	graph.Q8_0: {panelKernels: &panel512Q8_0, unpack: avx512UnpackQ8_0},
	graph.Q4_K: {panelKernels: &panel512Q4_K, unpack: avx512UnpackQ4_K},
}

// A block of 32 elements is
//
//	[8][32][4]byte  unsigned weights: groups of 4 elements, rows
//	[32]float32     scales
//	[32]float32     minima
//
// and a panel has 80 KiB in the second cache. Unpacked weights are unsigned already.
var (
	panel512Q8_0 = panelKernels{rows: 32, group: 32, block: 1280, depth: 2048, panels: 1, min: 16, pack: pack512,
		tiles: []panelKernel{{6, avx512PanelQ8_0_1x6}, {4, avx512PanelQ8_0_1x4}, {2, avx512PanelQ8_0_1x2}, {1, avx512PanelQ8_0_1x1}}}
	panel512Q4_K = panelKernels{rows: 32, group: 32, block: 1280, depth: 2048, panels: 1, min: 16, pack: pack512,
		tiles: []panelKernel{{6, avx512PanelQ4_K_1x6}, {4, avx512PanelQ4_K_1x4}, {2, avx512PanelQ4_K_1x2}, {1, avx512PanelQ4_K_1x1}}}
)

func pack512(panel []byte, rows *parts, _ int8, n int) {
	const (
		words  = 32 * 4 // bytes of a word of each row
		scales = 8 * words
		mins   = scales + words
		block  = mins + words
	)
	step := rows.step / 32
	for half := range 2 {
		r := half * 16
		for j := 0; j < n; j += 64 {
			avx512Transpose(&panel[j/32*block+half*64], words, block, (*byte)(unsafe.Pointer(&rows.q[r*rows.step+j])), rows.step)
		}
		for b := 0; b < n/32; b += 16 {
			at := r*step + b
			avx512Transpose(&panel[b*block+scales+half*64], block, 8*block, (*byte)(unsafe.Pointer(&rows.scales[at])), step*4)
			avx512Transpose(&panel[b*block+mins+half*64], block, 8*block, (*byte)(unsafe.Pointer(&rows.mins[at])), step*4)
		}
	}
}
