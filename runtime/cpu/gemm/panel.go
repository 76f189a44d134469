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
	rows   int // of W in a panel
	group  int // elements that share a scale
	block  int // bytes of a group
	depth  int // elements of a panel at a time: whole blocks of every type
	panels int // that the same elements of the activations, in a farther cache, pass by
	min    int // rows of activations that make up for packing
	// pack makes a panel of the first n elements of rows. offset makes weights
	// unsigned, for kernels that want them so.
	pack  func(panel []byte, rows *parts, offset int8, n int)
	tile  *tileLayout   // nil: kernels take activations as they are prepared
	tiles []panelKernel // by falling m, the last for m = 1
}

// A panelKernel adds to y, m rows of as many sums as a panel has rows, the products of
// a panel with m rows of activations.
type panelKernel struct {
	m   int
	run func(*tile)
}

// A tileLayout is activations in the order in which a kernel reads them: for each
// group of elements q of m rows, then their d, and then what else there is.
type tileLayout struct {
	q, group int // bytes of q, and of all, of a group of one row
	// spread puts n elements of a prepared row into a tile of m rows, from q and d on,
	// the groups step bytes apart.
	spread func(q, d *byte, step, m int, fromQ *byte, fromD, fromS *float32, n int)
}

// A panelType is what makes panels of a type of weights.
type panelType struct {
	*panelKernels
	unpack func(q *int8, scales, mins *float32, w *byte, n int) // as quant.Split; nil: that
	offset int8
}

// parts are unpacked rows of W as quant.Split writes them, step elements, or step
// divided by a group's elements scales, apart.
type parts struct {
	q            []int8
	scales, mins []float32
	step         int
}

// panels is Rows for many rows of activations.
func (p *Product) panels(s *scratch, y []float32, ldy int, w, acts []byte, m, rows int) {
	k, t := p.panel.panelKernels, &s.tile
	size := ActBytes(p.kind, p.k)
	var tiles []byte
	if k.tile != nil {
		tiles = p.spread(s, acts, m)
	}
	panel := grow(&s.panel, k.depth/k.group*k.block)
	all := grow(&s.y, k.panels*m*k.rows)
	for top := 0; top < rows; top += k.panels * k.rows {
		bottom := min(top+k.panels*k.rows, rows)
		clear(all)
		for from := 0; from < p.k; from += k.depth {
			n := min(k.depth, p.k-from)
			for r, sums := top, all; r < bottom; r, sums = r+k.rows, sums[m*k.rows:] {
				p.pack(s, panel, w[r*p.rowBytes:min(r+k.rows, bottom)*p.rowBytes], from, n)
				*t = tile{n: n, w: unsafe.Pointer(&panel[0]), yLD: uintptr(k.rows) * 4, xStep: uintptr(size), add: 1}
				for i, j := 0, 0; i < m; i += k.tiles[j].m {
					for k.tiles[j].m > m-i {
						j++
					}
					t.y = unsafe.Pointer(&sums[i*k.rows])
					if tiles != nil {
						t.x = unsafe.Pointer(&tiles[(from*m+i*n)/k.group*k.tile.group])
					} else {
						p.activations(t, acts[i*size:], from)
					}
					k.tiles[j].run(t)
				}
			}
		}
		for r, sums := top, all; r < bottom; r, sums = r+k.rows, sums[m*k.rows:] {
			for i := range m {
				copy(y[i*ldy+r:i*ldy+min(r+k.rows, bottom)], sums[i*k.rows:])
			}
		}
	}
	*t = tile{}
}

// spread returns m prepared rows of activations as tiles: of the first depth elements,
// then of the next.
func (p *Product) spread(s *scratch, acts []byte, m int) []byte {
	k := p.panel.panelKernels
	size := ActBytes(p.kind, p.k)
	tiles := grow(&s.tiles, m*p.k/k.group*k.tile.group)
	var row tile
	for from := 0; from < p.k; from += k.depth {
		n := min(k.depth, p.k-from)
		for i, j := 0, 0; i < m; i += k.tiles[j].m {
			for k.tiles[j].m > m-i {
				j++
			}
			to, rows := tiles[(from*m+i*n)/k.group*k.tile.group:], k.tiles[j].m
			for r := range rows {
				p.activations(&row, acts[(i+r)*size:], from)
				k.tile.spread(&to[r*k.tile.q], &to[rows*k.tile.q+4*r], rows*k.tile.group, rows, (*byte)(row.x), (*float32)(row.d), (*float32)(row.s), n)
			}
		}
	}
	return tiles
}

// pack makes a panel of rows of W, n elements of each from element from on. The lanes
// of missing rows hold anything.
func (p *Product) pack(s *scratch, panel, w []byte, from, n int) {
	k, u := p.panel, &s.parts
	u.step = k.depth
	q := grow(&u.q, k.rows*u.step)
	scales := grow(&u.scales, k.rows*u.step/k.group)
	mins := grow(&u.mins, len(scales))
	u.q, u.scales, u.mins = q, scales, mins
	at, end := int(p.t.Bytes(from)), int(p.t.Bytes(from+n))
	for r := range len(w) / p.rowBytes {
		row := w[r*p.rowBytes+at : r*p.rowBytes+end]
		q, scales, mins := q[r*u.step:][:n], scales[r*u.step/k.group:][:n/k.group], mins[r*u.step/k.group:][:n/k.group]
		if k.unpack != nil {
			k.unpack(&q[0], &scales[0], &mins[0], &row[0], n)
		} else if err := quant.Split(p.t, q, scales, mins, row); err != nil {
			panic(err) // New has unpacked a block of the type
		}
	}
	k.pack(panel, u, k.offset, n)
}
