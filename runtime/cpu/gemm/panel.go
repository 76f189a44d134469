package gemm

import "unsafe"

// With many rows of activations 32 rows of W are unpacked and interleaved to a panel,
// in which each row has a lane of its own: sums of a product never cross lanes. A
// panel has for each block of 32 elements
//
//	[8][32][4]byte  unsigned weights: groups of 4 elements, rows
//	[32]float32     scales
//	[32]float32     minima
const (
	panelRows   = 32
	panelGroup  = panelRows * 4
	panelScales = 8 * panelGroup
	panelMins   = panelScales + panelRows*4
	panelBlock  = panelMins + panelRows*4
	panelDepth  = 2048 // elements, for a panel of 80 KiB in the second cache
	panelMin    = 16   // rows of activations that make up for packing
)

type panelKernels struct {
	// unpack writes the unsigned weights of a row of n elements and the scales and,
	// of formats with minima, the minima of its blocks.
	unpack func(q *byte, scales, mins *float32, w *byte, n int)
	// transpose makes column c of 16 rows of 16 words the 16 words at
	// dst + c%8·step + c/8·step8.
	transpose func(dst *byte, step, step8 int, src *byte, srcStep int)
	tiles     []panelKernel // by falling m, the last for m = 1
}

type panelKernel struct {
	m   int
	run func(*tile)
}

// panels is Rows for many rows of activations.
func (p *Product) panels(s *scratch, y []float32, ldy int, w, acts []byte, m, rows int) {
	t := &s.tile
	size := ActBytes(p.kind, p.k)
	edge := grow(&s.y, m*panelRows)
	panel := grow(&s.panel, panelDepth/32*panelBlock)
	for r := 0; r < rows; r += panelRows {
		height := min(panelRows, rows-r)
		for from := 0; from < p.k; from += panelDepth {
			n := min(panelDepth, p.k-from)
			p.pack(s, panel, w[r*p.rowBytes:(r+height)*p.rowBytes], from, n)
			*t = tile{n: n, w: unsafe.Pointer(&panel[0]), xStep: uintptr(size)}
			to, ld := y[r:], ldy
			if height < panelRows {
				to, ld = edge, panelRows
			} else if from > 0 {
				t.add = 1
			}
			t.yLD = uintptr(ld) * 4
			for i, k := 0, 0; i < m; i += p.kernels.panel.tiles[k].m {
				for p.kernels.panel.tiles[k].m > m-i {
					k++
				}
				t.y = unsafe.Pointer(&to[i*ld])
				p.activations(t, acts[i*size:], from)
				p.kernels.panel.tiles[k].run(t)
			}
			if height < panelRows {
				for i := range m {
					row := y[i*ldy+r : i*ldy+r+height]
					if from == 0 {
						copy(row, edge[i*panelRows:])
						continue
					}
					for j := range row {
						row[j] += edge[i*panelRows+j]
					}
				}
			}
		}
	}
	*t = tile{}
}

// pack makes a panel of up to 32 rows, n elements of each from element from on. The
// lanes of missing rows hold anything.
func (p *Product) pack(s *scratch, panel, w []byte, from, n int) {
	const blocks = panelDepth / 32
	q := grow(&s.q, panelRows*panelDepth)
	scales := grow(&s.scales, 2*panelRows*blocks)
	k := p.kernels.panel
	at := int(p.t.Bytes(from))
	for r := range len(w) / p.rowBytes {
		k.unpack(&q[r*panelDepth], &scales[r*blocks], &scales[(panelRows+r)*blocks], &w[r*p.rowBytes+at], n)
	}
	for half := range 2 {
		r := half * 16
		for j := 0; j < n; j += 64 {
			k.transpose(&panel[j/32*panelBlock+half*64], panelGroup, panelBlock, &q[r*panelDepth+j], panelDepth)
		}
		for b := 0; b < n/32; b += 16 {
			k.transpose(&panel[b*panelBlock+panelScales+half*64], panelBlock, 8*panelBlock, (*byte)(unsafe.Pointer(&scales[r*blocks+b])), blocks*4)
			k.transpose(&panel[b*panelBlock+panelMins+half*64], panelBlock, 8*panelBlock, (*byte)(unsafe.Pointer(&scales[(panelRows+r)*blocks+b])), blocks*4)
		}
	}
}
