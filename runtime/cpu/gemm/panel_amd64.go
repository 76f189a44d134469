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
	graph.F32:    {&panel512F32, nil, 0},
	graph.F16:    {&panel512F16, nil, 0},
	graph.BF16:   {&panel512BF16, nil, 0},
	graph.Q8_0:   {&panel512x32, avx2UnpackQ8_0, 0},
	graph.Q4_0:   {&panel512x32, avx2UnpackQ4_0, 0},
	graph.Q4_1:   {&panel512x32m, avx2UnpackQ4_1, 0},
	graph.Q5_0:   {&panel512x32, avx2UnpackQ5_0, 0},
	graph.Q5_1:   {&panel512x32m, avx2UnpackQ5_1, 0},
	graph.IQ4_NL: {&panel512x32, avx2UnpackIQ4_NL, 0},
	graph.MXFP4:  {&panel512x32, avx2UnpackMXFP4, 0},
	graph.Q2_K:   {&panel512x16m, avx2UnpackQ2_K, 0},
	graph.Q3_K:   {&panel512x16, avx2UnpackQ3_K, 0},
	graph.Q4_K:   {&panel512x32m, avx2UnpackQ4_K, 0},
	graph.Q5_K:   {&panel512x32m, avx2UnpackQ5_K, 0},
	graph.Q6_K:   {&panel512x16, avx2UnpackQ6_K, 0},
	graph.IQ4_XS: {&panel512x32, avx2UnpackIQ4_XS, 0},
}

// Panels for groups of 32 or 16, m: with minima. Weights with minima are unsigned, the
// others become so when their highest bit is flipped, as if 128 had been added: sums
// begin with what takes that away again.
var (
	panel512x32  = panel512(32, false, avx512Spread32, avx512Panel32_6, avx512Panel32_4, avx512Panel32_2, avx512Panel32_1)
	panel512x32m = panel512(32, true, avx2SpreadU8x32, avx512Panel32m_6, avx512Panel32m_4, avx512Panel32m_2, avx512Panel32m_1)
	panel512x16  = panel512(16, false, avx512Spread16, avx512Panel16_6, avx512Panel16_4, avx512Panel16_2, avx512Panel16_1)
	panel512x16m = panel512(16, true, avx2SpreadU8x16, avx512Panel16m_6, avx512Panel16m_4, avx512Panel16m_2, avx512Panel16m_1)
	panel512F32  = panelFloat512(func(dst *byte, step, step4, step8 int, src *byte, srcStep, count int) {
		avx512Interleave(dst, step, step4, step8, src, srcStep, count, 0)
	})
	panel512F16  = panelFloat512(avx512InterleaveF16)
	panel512BF16 = panelFloat512(avx512InterleaveBF16)
)

const word512 = 32 * 4 // bytes of a word of each of 32 rows

// panel512 describes panels of 32 rows, of which the second cache holds one: 144 to 192
// KiB. To make one takes about as long as its products with six rows of activations
// save. The last parameters are kernels for 6, 4, 2 and 1 of them.
func panel512(group int, minima bool, spread func(q *byte, dAt, step, m int, fromQ *byte, fromD, fromS *float32, n int),
	six, four, two, one func(*tile)) panelKernels {
	words := group / 4 // of a row in a group
	scales := words * word512
	mins := scales + word512
	block, flip := mins, uint32(0x80808080)
	if minima {
		block, flip = mins+word512, 0
	}
	pack := func(panel []byte, rows *parts, _ int8, n int) {
		for half := range 2 {
			r, at := 16*half, word512/2*half
			// Of the last 16 words of a row some may lie past n.
			avx512Interleave(&panel[at], word512, 4/words*block+4%words*word512, 8/words*block, (*byte)(unsafe.Pointer(&rows.q[r*rows.step])), rows.step, (n+63)/64, flip)
			first, step, count := r*rows.step/group, rows.step/group*4, (n/group+15)/16
			avx512Interleave(&panel[scales+at], block, 4*block, 8*block, (*byte)(unsafe.Pointer(&rows.scales[first])), step, count, 0)
			if minima {
				avx512Interleave(&panel[mins+at], block, 4*block, 8*block, (*byte)(unsafe.Pointer(&rows.mins[first])), step, count, 0)
			}
		}
	}
	return panelKernels{rows: 32, group: group, block: block, depth: 4096, panels: 1, min: 7, direct: true, pack: pack,
		tile:  &tileLayout{group, group + 8, spread},
		tiles: []panelKernel{{6, six}, {4, four}, {2, two}, {1, one}}}
}

// panelFloat512 describes panels of 64 KiB. To make one takes about as many instructions
// as its products with 20 rows of activations or more save: F16 and BF16 are converted
// once, and sums need not be added across lanes.
func panelFloat512(interleave func(dst *byte, step, step4, step8 int, src *byte, srcStep, count int)) panelKernels {
	pack := func(panel []byte, rows *parts, _ int8, n int) {
		for half := range 2 {
			interleave(&panel[word512/2*half], word512, 4*word512, 8*word512, &rows.floats[16*half*rows.step], rows.step, n/16)
		}
	}
	return panelKernels{rows: 32, group: 16, block: 16 * word512, depth: 512, panels: 4, min: 20, direct: true, pack: pack,
		tile:  &tileLayout{64, 64, avx512SpreadFloat},
		tiles: []panelKernel{{12, avx512PanelFloat_12}, {6, avx512PanelFloat_6}, {4, avx512PanelFloat_4}, {2, avx512PanelFloat_2}, {1, avx512PanelFloat_1}}}
}
