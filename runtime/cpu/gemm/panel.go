package gemm

import (
	"unsafe"

	"github.com/deltaloom/deltaloom/quant"
)

// With many rows of activations some rows of W are unpacked and interleaved to a
// panel, in which each row has a lane of its own: sums of a product never cross lanes.
// For each group of elements a panel has the weights, the scales and, if the kernels
// want them, the minima of all its rows. It stays in a near cache while all rows of
// activations pass by.

// panelKernels multiply panels of one layout.
type panelKernels struct {
	rows   int  // of W in a panel
	group  int  // elements that share a scale; of floats, a step of the kernels
	block  int  // bytes of a group
	depth  int  // elements of a panel at a time: whole blocks of every type
	panels int  // that the same elements of the activations, in a farther cache, pass by
	min    int  // rows of activations that make up for packing
	direct bool // kernels write y or add to it, not only add to sums that lie together
	// pack makes a panel of the first n elements of rows. offset makes weights
	// unsigned, for kernels that want them so.
	pack  func(panel []byte, rows *parts, offset int8, n int)
	tile  *tileLayout   // nil: kernels take activations as they are prepared
	tiles []panelKernel // by falling m, the last for m = 1
}

// A panelKernel is for the products of a panel with m rows of activations.
type panelKernel struct {
	m   int
	run func(*tile)
}

// A tileLayout is activations in the order in which a kernel reads them: for each
// group of elements q of m rows, then their d, and then what else there is.
type tileLayout struct {
	q, group int // bytes of q, and of all, of a group of one row
	// spread puts n elements of a prepared row into a tile of m rows: q to its place, d
	// dAt bytes further, the next group step bytes further.
	spread func(q *byte, dAt, step, m int, fromQ *byte, fromD, fromS *float32, n int)
}

// A panelType is what makes panels of a type of weights.
type panelType struct {
	*panelKernels
	unpack func(q *int8, scales, mins *float32, w *byte, n int) // as quant.Split; nil: that
	offset int8
}

// parts are rows of W. Quantised ones are unpacked as quant.Split does it, step
// elements, or step divided by a group's elements scales, apart. Others are as they
// are, step bytes apart.
type parts struct {
	q            []int8
	scales, mins []float32
	floats       []byte
	step         int
}

// panels is RowsIn for many rows of activations in Form(m). All of them pass by a panel of some
// elements while the first cache has it, and then by the next panels, so that the
// same elements of the activations are at hand in a farther one.
func (p *Product) panels(s *Scratch, y []float32, ldy int, w, next, acts []byte, m, rows int) {
	k := p.panel.panelKernels
	panel := grow(&s.panel, k.depth/k.group*k.block)
	sums := grow(&s.sums, k.panels*m*k.rows)
	for top := 0; top < rows; top += k.panels * k.rows {
		bottom := min(top+k.panels*k.rows, rows)
		direct := k.direct && bottom-top == k.panels*k.rows
		if !k.direct {
			clear(sums)
		}
		for from := 0; from < p.k; from += k.depth {
			n := roundUp(min(k.depth, p.k-from), k.group)
			for r := top; r < bottom; r += k.rows {
				p.pack(s, panel, w[r*p.rowBytes:min(r+k.rows, bottom)*p.rowBytes], from, n)
				ahead := panel[:0]
				if p.k <= k.depth { // else the next elements of these rows are next
					ahead = w[min(r+k.rows, rows)*p.rowBytes : min(r+2*k.rows, rows)*p.rowBytes]
					if len(ahead) == 0 {
						ahead = next[:min(k.rows*p.rowBytes, len(next))]
					}
				}
				if direct {
					p.multiply(s, y[r:], ldy, panel, ahead, acts, m, from, n)
				} else {
					p.multiply(s, sums[(r-top)*m:], k.rows, panel, ahead, acts, m, from, n)
				}
			}
		}
		for i := 0; i < m && !direct; i++ {
			for r := top; r < bottom; r += k.rows {
				copy(y[i*ldy+r:i*ldy+min(r+k.rows, bottom)], sums[(r-top)*m+i*k.rows:])
			}
		}
	}
}

// multiply adds to y the products of a panel with m rows of activations, n elements of
// each from element from on. The first ones are written where kernels are direct. They
// may fetch ahead, the next rows of W, in between.
func (p *Product) multiply(s *Scratch, y []float32, ldy int, panel, ahead, acts []byte, m, from, n int) {
	k, t, f := p.panel.panelKernels, &s.tile, p.Form(m)
	size := ActBytes(p.kind, p.k)
	*t = tile{n: n, w: unsafe.Pointer(&panel[0]), yLD: uintptr(ldy) * 4, xStep: uintptr(size), add: min(from, 1)}
	t.ahead = uintptr(unsafe.Pointer(unsafe.SliceData(ahead)))
	t.aheadEnd = t.ahead + uintptr(len(ahead))
	first, step := 0, 0 // tile, and bytes of a row of one
	if f.tiles != nil {
		first, step = from*m/k.group*k.tile.group, n/k.group*k.tile.group
	}
	for i, j := 0, 0; i < m; i += k.tiles[j].m {
		for k.tiles[j].m > m-i {
			j++
		}
		t.y = unsafe.Pointer(&y[i*ldy])
		if f.tiles != nil {
			t.x = unsafe.Pointer(&acts[first+i*step])
		} else {
			f.point(t, acts[i*size:], from)
		}
		k.tiles[j].run(t)
	}
	*t = tile{}
}

// pack makes a panel of rows of W, n elements of each from element from on; past the
// last element there are zeros. The lanes of missing rows hold anything.
func (p *Product) pack(s *Scratch, panel, w []byte, from, n int) {
	k, u := p.panel, &s.parts
	at, end := int(p.t.Bytes(from)), int(p.t.Bytes(min(from+n, p.k)))
	rows := len(w) / p.rowBytes
	if p.kind == Float {
		u.floats, u.step = w[at:], p.rowBytes
		if size := int(p.t.Bytes(n)); rows < k.rows || size > end-at {
			u.floats, u.step = grow(&s.floats, k.rows*size), size
			for r := range rows {
				to := u.floats[r*size : (r+1)*size]
				clear(to[copy(to, w[r*p.rowBytes+at:r*p.rowBytes+end]):])
			}
		}
		k.pack(panel, u, 0, n)
		return
	}
	u.step = k.depth
	u.q = grow(&u.q, k.rows*u.step)
	u.scales = grow(&u.scales, k.rows*u.step/k.group)
	u.mins = grow(&u.mins, len(u.scales))
	for r := range rows {
		row := w[r*p.rowBytes+at : r*p.rowBytes+end]
		q, scales, mins := u.q[r*u.step:][:n], u.scales[r*u.step/k.group:][:n/k.group], u.mins[r*u.step/k.group:][:n/k.group]
		if k.unpack != nil {
			k.unpack(&q[0], &scales[0], &mins[0], &row[0], n)
		} else if err := quant.Split(p.t, q, scales, mins, row); err != nil {
			panic(err) // New has unpacked a block of the type
		}
	}
	k.pack(panel, u, k.offset, n)
}
