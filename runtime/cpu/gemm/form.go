package gemm

import "github.com/deltaloom/deltaloom/runtime/cpu/isa"

// Form is how rows of activations lie in memory for a product: as Prepare leaves them,
// one after the other, or as tiles. Products of equal forms share them.
type Form struct {
	kind  Kind
	k     int
	tiles *panelKernels // that have a tile layout, or nil
}

// Form returns the form for m rows that are multiplied at once.
func (p *Product) Form(m int) Form {
	f := Form{kind: p.kind, k: p.k}
	if p.panel != nil && p.panel.tile != nil && m >= p.panel.min {
		f.tiles = p.panel.panelKernels
	}
	return f
}

// Bytes returns the bytes of m rows.
func (f Form) Bytes(m int) int {
	if f.tiles == nil {
		return m * ActBytes(f.kind, f.k)
	}
	return m * roundUp(f.k, f.tiles.group) / f.tiles.group * f.tiles.tile.group
}

// Prepare writes x to its place as row i of m in dst, which has Bytes(m) bytes. row is
// memory of ActBytes bytes. Rows may be prepared concurrently.
func (f Form) Prepare(set isa.Set, dst []byte, m, i int, x []float32, row []byte) {
	if f.tiles == nil {
		size := ActBytes(f.kind, f.k)
		Prepare(set, f.kind, dst[i*size:(i+1)*size], x)
		return
	}
	Prepare(set, f.kind, row, x)
	f.spread(dst, m, i, row)
}

// tilesOf returns m prepared rows that lie one after the other as tiles.
func (f Form) tilesOf(s *Scratch, rows []byte, m int) []byte {
	tiles, size := grow(&s.tiles, f.Bytes(m)), ActBytes(f.kind, f.k)
	for i := range m {
		f.spread(tiles, m, i, rows[i*size:])
	}
	return tiles
}

// spread puts a prepared row to its place as row i of m: tiles of the first depth
// elements come first, then those of the next.
func (f Form) spread(tiles []byte, m, i int, row []byte) {
	k := f.tiles
	top, rows := k.tileOf(i, m)
	var t tile
	for from := 0; from < f.k; from += k.depth {
		n := roundUp(min(k.depth, f.k-from), k.group)
		f.point(&t, row, from)
		to := tiles[(from*m+top*n)/k.group*k.tile.group+(i-top)*k.tile.q:]
		k.tile.spread(&to[0], (rows-i+top)*k.tile.q+4*(i-top), rows*k.tile.group, rows, (*byte)(t.x), (*float32)(t.d), (*float32)(t.s), n)
	}
}

// tileOf returns the first row of the tile that row i of m belongs to, and its rows.
func (k *panelKernels) tileOf(i, m int) (top, rows int) {
	for _, tile := range k.tiles {
		if end := top + (m-top)/tile.m*tile.m; i < end {
			return i - (i-top)%tile.m, tile.m
		} else {
			top = end
		}
	}
	panic("no tile for a row") // the last kernel is for one row
}
