package fuse

import (
	"slices"

	"github.com/deltaloom/deltaloom/graph/index"
)

// maxGuesses bounds how many layouts of one value are tried.
const maxGuesses = 16

// maxSplits bounds how many axes a guess takes apart.
const maxSplits = 4

// guess yields the ways in which an array of extents from can lie in one of
// extents to: each axis whole, in every order that fits, or, where none fits, with
// as few axes split as it takes. The likeliest, the same order, comes first.
func guess(from, to []int, yield func(*index.Map) bool) {
	if g := newGuesser(from, to, yield); g != nil {
		for splits := 0; splits <= maxSplits && g.found == 0; splits++ {
			g.run(splits)
		}
	}
}

// guessSplit yields layouts with axes split although there may be some without.
func guessSplit(from, to []int, yield func(*index.Map) bool) {
	if g := newGuesser(from, to, yield); g != nil {
		for splits := 1; splits <= maxSplits && !g.stop; splits++ {
			g.run(splits)
		}
	}
}

// asItLies yields the one layout with the same extents.
func asItLies(from, to []int, yield func(*index.Map) bool) {
	if slices.Equal(from, to) {
		yield(index.Identity(from))
	}
}

// piece is a run of one axis laid in one axis of the other array.
type piece struct{ axis, size, to, coef int }

type guesser struct {
	from, to []int
	splits   int   // axes that are still to be split
	rest     []int // what is left of each axis
	pieces   []piece
	steps    int
	found    int
	stop     bool // on demand
	yield    func(*index.Map) bool
}

// newGuesser returns nil for arrays of different sizes.
func newGuesser(from, to []int, yield func(*index.Map) bool) *guesser {
	n := 1
	for _, d := range from {
		n *= d
	}
	for _, d := range to {
		n /= max(d, 1)
	}
	if n != 1 {
		return nil
	}
	return &guesser{from: from, to: to, yield: yield}
}

// run yields the layouts that split axes just so many times.
func (g *guesser) run(splits int) {
	g.splits, g.found, g.steps = splits, 0, 0
	g.rest = append(g.rest[:0], g.from...)
	g.fill(len(g.to)-1, 1)
}

// fill lays axes into axis a of the other array, of which done is filled, and
// reports whether to go on looking.
func (g *guesser) fill(a, done int) bool {
	if g.steps++; g.steps > 4096 {
		return false
	}
	for a >= 0 && g.to[a] == done {
		a, done = a-1, 1
	}
	if a < 0 {
		return g.splits > 0 || g.emit()
	}
	room := g.to[a] / done
	for x := len(g.rest) - 1; x >= 0; x-- {
		size, splits := g.rest[x], 0
		switch {
		case size == 1:
			continue
		case room%size == 0:
		case g.splits > 0 && size%room == 0:
			size, splits = room, 1
		default:
			continue
		}
		g.splits -= splits
		g.rest[x] /= size
		g.pieces = append(g.pieces, piece{x, size, a, done})
		on := g.fill(a, done*size)
		g.pieces = g.pieces[:len(g.pieces)-1]
		g.rest[x] *= size
		g.splits += splits
		if !on {
			return false
		}
	}
	return true
}

// emit yields the layout, and those with the parts of split axes the other way
// round.
func (g *guesser) emit() bool {
	count := make([]int, len(g.from))
	var split []int
	for _, p := range g.pieces {
		if count[p.axis]++; count[p.axis] == 2 {
			split = append(split, p.axis)
		}
	}
	for turned := range 1 << len(split) {
		m := g.layout(func(axis int) bool {
			i := slices.Index(split, axis)
			return i >= 0 && turned>>i&1 == 1
		})
		g.found++
		g.stop = !g.yield(m)
		if g.stop || g.found >= maxGuesses {
			return false
		}
	}
	return true
}

// layout writes the pieces as a map. Pieces of an axis come innermost first, or
// outermost first where it is turned.
func (g *guesser) layout(turned func(axis int) bool) *index.Map {
	m := &index.Map{}
	from, to := make([]index.Form, len(g.from)), make([]index.Form, len(g.to))
	within := make([]int, len(g.from))
	for i := range within {
		if within[i] = 1; turned(i) {
			within[i] = g.from[i]
		}
	}
	for _, p := range g.pieces {
		d := m.Fresh(p.size).Terms[0].Digit
		if turned(p.axis) {
			within[p.axis] /= p.size
		}
		from[p.axis].Terms = append(from[p.axis].Terms, index.Term{Digit: d, Coef: within[p.axis]})
		to[p.to].Terms = append(to[p.to].Terms, index.Term{Digit: d, Coef: p.coef})
		if !turned(p.axis) {
			within[p.axis] *= p.size
		}
	}
	m.Dims = [2][]int{slices.Clone(g.from), slices.Clone(g.to)}
	m.Forms = [2][]index.Form{from, to}
	return m
}
