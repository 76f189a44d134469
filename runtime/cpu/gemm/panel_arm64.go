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
	graph.Q4_0:   {panelKernels: &neon32, unpack: neonUnpackQ4_0},
	graph.Q4_1:   {panelKernels: &neon32m, unpack: neonUnpackQ4_1},
	graph.Q5_0:   {panelKernels: &neon32, unpack: neonUnpackQ5_0},
	graph.Q5_1:   {panelKernels: &neon32m, unpack: neonUnpackQ5_1},
	graph.Q8_0:   {panelKernels: &neon32, unpack: neonUnpackQ8_0},
	graph.Q2_K:   {panelKernels: &neon16m, unpack: neonUnpackQ2_K},
	graph.Q3_K:   {panelKernels: &neon16, unpack: neonUnpackQ3_K},
	graph.Q4_K:   {panelKernels: &neon32m, unpack: neonUnpackQ4_K},
	graph.Q5_K:   {panelKernels: &neon32m, unpack: neonUnpackQ5_K},
	graph.Q6_K:   {panelKernels: &neon16, unpack: neonUnpackQ6_K},
	graph.IQ4_NL: {panelKernels: &neon32, unpack: neonUnpackIQ4_NL},
	graph.IQ4_XS: {panelKernels: &neon32, unpack: neonUnpackIQ4_XS},
	graph.MXFP4:  {panelKernels: &neon32, unpack: neonUnpackMXFP4},
}

// Panels for groups of 32 or 16, m: with minima. One of 1024 elements has 9 to 12 KiB,
// which the first cache holds beside 6 KiB of six rows of activations.
var (
	neon32  = neonPanel(32, false, neonPanel32_6, neonPanel32_4, neonPanel32_2, neonPanel32_1)
	neon32m = neonPanel(32, true, neonPanel32m_6, neonPanel32m_4, neonPanel32m_2, neonPanel32m_1)
	neon16  = neonPanel(16, false, neonPanel16_6, neonPanel16_4, neonPanel16_2, neonPanel16_1)
	neon16m = neonPanel(16, true, neonPanel16m_6, neonPanel16m_4, neonPanel16m_2, neonPanel16m_1)
)

// neonPanel returns the kernels for groups of so many elements, for 6, 4, 2 and 1 rows
// of activations.
func neonPanel(group int, minima bool, six, four, two, one func(*tile)) panelKernels {
	const (
		rows  = 8
		words = rows * 4 // bytes of a word of each row
	)
	scales := group / 4 * words
	mins := scales + words
	block := mins
	if minima {
		block += words
	}
	pack := func(panel []byte, p *parts, _ int8, n int) {
		for at := 0; at < group; at += 16 {
			neonInterleave(&panel[at/4*words], words, block, (*byte)(unsafe.Pointer(&p.q[at])), p.step, group, n/group)
		}
		// Four groups at a time, of which the last may lie past n.
		count, step := (n/group+3)/4, p.step/group*4
		neonInterleave(&panel[scales], block, 4*block, (*byte)(unsafe.Pointer(&p.scales[0])), step, 16, count)
		if minima {
			neonInterleave(&panel[mins], block, 4*block, (*byte)(unsafe.Pointer(&p.mins[0])), step, 16, count)
		}
	}
	return panelKernels{rows: rows, group: group, block: block, depth: 1024, panels: 8, min: 6, pack: pack,
		tiles: []panelKernel{{6, six}, {4, four}, {2, two}, {1, one}}}
}
