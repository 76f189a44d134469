package gemm

import "unsafe"

//go:generate go run -C ../gen ./gemm/neon ../gemm

// tile is the argument of a kernel: it computes y for a few rows of W and a few
// rows of activations. Steps are in bytes.
type tile struct {
	y     unsafe.Pointer
	yStep uintptr // between rows of W
	yLD   uintptr // between rows of activations
	w     unsafe.Pointer
	wStep uintptr        // between rows of W
	x     unsafe.Pointer // float32, or q of kind Int8
	d, s  unsafe.Pointer // of kind Int8
	xStep uintptr        // between rows of activations
	n     int            // elements
	add   int            // 1: add to y, 0: write y

	ahead, aheadEnd uintptr // what panel kernels may ask the second cache for
}

// kernels are the kernels of one type of weight. Within a kernel the order of
// additions of a y depends on n alone, so all of them give the same bits.
type kernels struct {
	tiles []tileKernels // by falling m, the last for m = 1
	depth int           // elements that m > 1 rows take at a time, to stay in the first cache
	// sums writes d·Σq for each 16 of n activations, in the place of s for each 32. nil:
	// the kernels take s.
	sums func(sums *float32, q *byte, d *float32, n int)
}

// tileKernels are for 4 rows and for 1 row of W, times m rows of activations.
type tileKernels struct {
	m         int
	four, one func(*tile)
}

// blockRows rows of W stay in the second cache while all activations pass by.
const blockRows = 64

// nearBytes of activations stay in a near cache while rows of W pass by.
const nearBytes = 64 << 10

// stream is Rows for few rows of activations: the speed is that of memory, which
// serves four streams, a quarter of the rows apart, faster than one.
func (p *Product) stream(s *Scratch, y []float32, ldy int, w, acts []byte, m, rows int) {
	t, size, quarter := &s.tile, ActBytes(p.kind, p.k), rows/4
	f := p.Form(1)
	sums := p.sums(s, acts, m)
	*t = tile{n: p.k, yStep: uintptr(quarter) * 4, yLD: uintptr(ldy) * 4, wStep: uintptr(quarter * p.rowBytes), xStep: uintptr(size)}
	multiply := func(r int, four bool) {
		t.w = unsafe.Pointer(&w[r*p.rowBytes])
		for i, j := 0, 0; i < m; i += p.kernels.tiles[j].m {
			for p.kernels.tiles[j].m > m-i {
				j++
			}
			f.point(t, acts[i*size:], 0)
			if sums != nil {
				t.s = unsafe.Pointer(&sums[i*size])
			}
			t.y = unsafe.Pointer(&y[i*ldy+r])
			if four {
				p.kernels.tiles[j].four(t)
			} else {
				p.kernels.tiles[j].one(t)
			}
		}
	}
	for r := range quarter {
		multiply(r, true)
	}
	for r := 4 * quarter; r < rows; r++ {
		multiply(r, false)
	}
	*t = tile{}
}

// matrix is Rows for several rows of activations.
func (p *Product) matrix(s *Scratch, y []float32, ldy int, w, acts []byte, m, rows int) {
	t, f := &s.tile, p.Form(1)
	size := ActBytes(p.kind, p.k)
	sums := p.sums(s, acts, m)
	for block := 0; block < rows; block += blockRows {
		end := min(block+blockRows, rows)
		for from := 0; from < p.k; from += p.kernels.depth {
			*t = tile{n: min(p.kernels.depth, p.k-from), yStep: 4, yLD: uintptr(ldy) * 4, wStep: uintptr(p.rowBytes), xStep: uintptr(size)}
			if from > 0 {
				t.add = 1
			}
			at := int(p.t.Bytes(from))
			for i, k := 0, 0; i < m; {
				for p.kernels.tiles[k].m > m-i {
					k++
				}
				kernel := p.kernels.tiles[k]
				f.point(t, acts[i*size:], from)
				if sums != nil {
					t.s = unsafe.Pointer(&sums[i*size+from/4])
				}
				r := block
				for ; r+4 <= end; r += 4 {
					t.y, t.w = unsafe.Pointer(&y[i*ldy+r]), unsafe.Pointer(&w[r*p.rowBytes+at])
					kernel.four(t)
				}
				for ; r < end; r++ {
					t.y, t.w = unsafe.Pointer(&y[i*ldy+r]), unsafe.Pointer(&w[r*p.rowBytes+at])
					kernel.one(t)
				}
				i += kernel.m
			}
		}
	}
	*t = tile{}
}

// point points t at a prepared row, at element from of it.
func (f Form) point(t *tile, row []byte, from int) {
	if f.kind == Float {
		t.x = unsafe.Pointer(&row[from*4])
		return
	}
	d, s, _ := layout(f.k)
	at := from / 32 * 4
	t.x, t.d = unsafe.Pointer(&row[from]), unsafe.Pointer(&row[d+at])
	t.s = unsafe.Pointer(&row[s+at])
}

// sums returns what the kernels take in the place of s, as far apart as rows of
// activations are, or nil.
func (p *Product) sums(s *Scratch, acts []byte, m int) []byte {
	if p.kernels.sums == nil {
		return nil
	}
	size := ActBytes(p.kind, p.k)
	d, _, _ := layout(p.k)
	sums := grow(&s.sums16, m*size)
	for i := range m {
		row := acts[i*size:]
		p.kernels.sums(&floats(sums[i*size:])[0], &row[0], &floats(row[d:])[0], p.k)
	}
	return sums
}

// row multiplies one row of F32 weights with m rows of ldx activations each.
func (k *kernels) row(t *tile, y []float32, ldy int, w, x []float32, ldx, m int) {
	*t = tile{n: len(w), yLD: uintptr(ldy) * 4, w: unsafe.Pointer(&w[0]), xStep: uintptr(ldx) * 4}
	for i, j := 0, 0; i < m; i += k.tiles[j].m {
		for k.tiles[j].m > m-i {
			j++
		}
		t.y, t.x = unsafe.Pointer(&y[i*ldy]), unsafe.Pointer(&x[i*ldx])
		k.tiles[j].one(t)
	}
	*t = tile{}
}
