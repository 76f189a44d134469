// Package index is the algebra of views. A Map says which element of one array
// corresponds to which element of another, as both run over common loop
// variables (digits); reshapes, permutations, slices, broadcasts and repeats
// only rewrite the forms in it. So a matcher can ask whether two spellings
// address the same elements without ever normalising the views themselves.
package index

import "slices"

// Side selects one of the two arrays of a Map.
type Side int

const (
	From Side = iota // the array whose elements are named
	To               // the array they are found in
)

// Term is one summand of a form: Coef times a digit.
type Term struct{ Digit, Coef int }

// Form is the index along one axis: Off + Σ Coef·digit.
type Form struct {
	Off   int
	Terms []Term
}

// Map relates two arrays by one form an axis over digits 0..Size-1. Methods that
// change a map replace its slices and leave their elements alone: a map may be
// copied by assignment, and maps share what they have in common.
type Map struct {
	Size  []int
	Dims  [2][]int
	Forms [2][]Form
}

// Identity relates an array of these extents to itself. It is solved.
func Identity(dims []int) *Map {
	n := len(dims)
	ints, forms, terms := make([]int, 2*n), make([]Form, n), make([]Term, n)
	copy(ints, dims)
	m := &Map{Size: ints[n:n]}
	for i, d := range dims {
		if d > 1 {
			terms[i] = Term{len(m.Size), 1}
			forms[i].Terms = terms[i : i+1 : i+1]
			m.Size = append(m.Size, d)
		}
	}
	dims = ints[:n:n]
	m.Dims, m.Forms = [2][]int{dims, dims}, [2][]Form{forms, forms}
	return m
}

// Fresh adds a digit of this extent and returns the form that is the digit.
func (m *Map) Fresh(size int) Form {
	if size == 1 {
		return Form{}
	}
	m.Size = append(slices.Clip(m.Size), size)
	return Form{Terms: []Term{{len(m.Size) - 1, 1}}}
}

// Clone returns a copy whose forms can be changed in place.
func (m *Map) Clone() *Map {
	c := &Map{Size: slices.Clone(m.Size), Dims: m.Dims}
	for s := range m.Forms {
		c.Forms[s] = slices.Clone(m.Forms[s])
		for a := range c.Forms[s] {
			c.Forms[s][a].Terms = slices.Clone(c.Forms[s][a].Terms)
		}
	}
	return c
}

// Equal reports the same form, term by term.
func (f Form) Equal(g Form) bool {
	if f.Off != g.Off || len(f.Terms) != len(g.Terms) {
		return false
	}
	for _, t := range f.Terms { // as often in the one as in the other
		n := 0
		for i := range f.Terms {
			if f.Terms[i] == t {
				n++
			}
			if g.Terms[i] == t {
				n--
			}
		}
		if n != 0 {
			return false
		}
	}
	return true
}

// Set replaces one side by an array of other extents and forms.
func (m *Map) Set(s Side, dims []int, forms []Form) {
	m.Dims[s], m.Forms[s] = dims, forms
}
