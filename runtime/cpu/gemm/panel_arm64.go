package gemm

import (
	"unsafe"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/runtime/cpu/isa"
)

// panelOf returns what makes panels of a type, nil where the set has no kernels.
func panelOf(set isa.Set, t graph.DType) *panelType {
	if set == isa.NEON {
		return neonPanels[t]
	}
	return nil
}

var neonPanels = map[graph.DType]*panelType{
	graph.F32:    {&neonF32, nil, 0},
	graph.F16:    {&neonF16, nil, 0},
	graph.BF16:   {&neonBF16, nil, 0},
	graph.Q4_0:   {&neon32, neonUnpackQ4_0, 0},
	graph.Q4_1:   {&neon32m, neonUnpackQ4_1, 0},
	graph.Q5_0:   {&neon32, neonUnpackQ5_0, 0},
	graph.Q5_1:   {&neon32m, neonUnpackQ5_1, 0},
	graph.Q8_0:   {&neon32, neonUnpackQ8_0, 0},
	graph.Q2_K:   {&neon16m, neonUnpackQ2_K, 0},
	graph.Q3_K:   {&neon16, neonUnpackQ3_K, 0},
	graph.Q4_K:   {&neon32m, neonUnpackQ4_K, 0},
	graph.Q5_K:   {&neon32m, neonUnpackQ5_K, 0},
	graph.Q6_K:   {&neon16, neonUnpackQ6_K, 0},
	graph.IQ4_NL: {&neon32, neonUnpackIQ4_NL, 0},
	graph.IQ4_XS: {&neon32, neonUnpackIQ4_XS, 0},
	graph.MXFP4:  {&neon32, neonUnpackMXFP4, 0},
}

// Panels for groups of 32 or 16, m: with minima. One of 1024 elements has 9 to 12 KiB,
// which the first cache holds beside 6 KiB of six rows of activations.
var (
	neon32   = neonPanel(32, false, neonPanel32_6, neonPanel32_4, neonPanel32_2, neonPanel32_1)
	neon32m  = neonPanel(32, true, neonPanel32m_6, neonPanel32m_4, neonPanel32m_2, neonPanel32m_1)
	neon16   = neonPanel(16, false, neonPanel16_6, neonPanel16_4, neonPanel16_2, neonPanel16_1)
	neon16m  = neonPanel(16, true, neonPanel16m_6, neonPanel16m_4, neonPanel16m_2, neonPanel16m_1)
	neonF32  = neonPanelFloat(4, neonInterleave)
	neonF16  = neonPanelFloat(2, neonInterleaveF16)
	neonBF16 = neonPanelFloat(2, neonInterleaveBF16)
)

const neonWords = 8 * 4 // bytes of a word of each of 8 rows

// neonPanel returns the kernels for groups of so many elements, for 6, 4, 2 and 1 rows
// of activations.
func neonPanel(group int, minima bool, six, four, two, one func(*tile)) panelKernels {
	scales := group / 4 * neonWords
	mins := scales + neonWords
	block := mins
	if minima {
		block += neonWords
	}
	pack := func(panel []byte, p *parts, _ int8, n int) {
		for at := 0; at < group; at += 16 {
			neonInterleave(&panel[at/4*neonWords], neonWords, block, (*byte)(unsafe.Pointer(&p.q[at])), p.step, group, n/group)
		}
		// Four groups at a time, of which the last may lie past n.
		count, step := (n/group+3)/4, p.step/group*4
		neonInterleave(&panel[scales], block, 4*block, (*byte)(unsafe.Pointer(&p.scales[0])), step, 16, count)
		if minima {
			neonInterleave(&panel[mins], block, 4*block, (*byte)(unsafe.Pointer(&p.mins[0])), step, 16, count)
		}
	}
	return panelKernels{rows: 8, group: group, block: block, depth: 1024, panels: 8, min: 6, pack: pack,
		tiles: []panelKernel{{6, six}, {4, four}, {2, two}, {1, one}}}
}

// neonPanelFloat returns the kernels for weights of so many bytes. A panel of 256
// elements has 8 KiB, as have eight rows of activations beside it. To multiply from a
// panel takes as many instructions as from W, but for conversions: what it saves is
// traffic with the second cache, which has to make up for packing.
func neonPanelFloat(size int, interleave func(dst *byte, step, dstNext int, src *byte, srcStep, srcNext, count int)) panelKernels {
	pack := func(panel []byte, p *parts, _ int8, n int) {
		interleave(&panel[0], neonWords, 4*neonWords, &p.floats[0], p.step, 4*size, n/4)
	}
	return panelKernels{rows: 8, group: 4, block: 4 * neonWords, depth: 256, panels: 16, min: 32, pack: pack,
		tiles: []panelKernel{{8, neonPanelFloat_8}, {4, neonPanelFloat_4}, {2, neonPanelFloat_2}, {1, neonPanelFloat_1}}}
}
