package sched

import (
	"cmp"
	"slices"
)

// pack gives the blocks of one space their offsets in its arena and returns the
// size of the arena. Large blocks choose first; each takes the smallest gap that
// holds it between the blocks placed already that live at the same time.
func pack(blocks []*block, space int) (size int64) {
	var todo []*block
	for _, b := range blocks {
		if b.storage == space {
			todo = append(todo, b)
		}
	}
	slices.SortStableFunc(todo, func(a, b *block) int { return cmp.Compare(b.bytes, a.bytes) })
	var placed, alive []*block // placed is ascending in offset
	for _, b := range todo {
		alive = alive[:0]
		for _, o := range placed {
			if o.from <= b.to && b.from <= o.to {
				alive = append(alive, o)
			}
		}
		b.off = bestGap(alive, aligned(b.bytes))
		at, _ := slices.BinarySearchFunc(placed, b.off, func(o *block, off int64) int { return cmp.Compare(o.off, off) })
		placed = slices.Insert(placed, at, b)
		size = max(size, b.off+aligned(b.bytes))
	}
	return size
}

// bestGap returns the beginning of the smallest gap of need bytes between blocks
// in ascending order of offset, which may overlap each other; their end where
// there is no gap.
func bestGap(blocks []*block, need int64) int64 {
	best, bestSize := int64(-1), int64(0)
	end := int64(0)
	for _, o := range blocks {
		if gap := o.off - end; gap >= need && (best < 0 || gap < bestSize) {
			best, bestSize = end, gap
		}
		end = max(end, o.off+aligned(o.bytes))
	}
	if best < 0 {
		return end
	}
	return best
}

func aligned(bytes int64) int64 { return (bytes + Align - 1) / Align * Align }
