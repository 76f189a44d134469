package index_test

import (
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/deltaloom/deltaloom/graph/index"
)

// relation is a random map made by following two chains of views from one
// array, with what brute force says about it.
type relation struct {
	dims  []int // of the array that both sides are seen as
	sides [2][]step
	m     *index.Map
	want  map[pair]bool
	ok    bool // no reshape was beyond a form over digits
}

func random(r *rand.Rand, n [2]int) relation {
	dims := extents(r)
	x := relation{dims: dims, m: index.Identity(dims), want: map[pair]bool{}, ok: true}
	var a [2]array
	for side := range a {
		x.sides[side] = chain(r, dims, n[side])
		a[side] = run(x.sides[side], dims)
		x.ok = x.ok && follow(x.m, index.Side(side), x.sides[side])
	}
	for i := range a[0].data {
		x.want[pair{a[0].data[i], a[1].data[i]}] = true
	}
	return x
}

func check(t *testing.T, what string, m *index.Map, want map[pair]bool, x relation) {
	t.Helper()
	have, err := pairs(m)
	if err != nil || !maps.Equal(have, want) {
		t.Fatalf("%s: %v\nhave %v\nwant %v\nmap %+v\nof %v through %v", what, err, have, want, m, x.dims, x.sides)
	}
}

// rate fails when less than a share of the tries gave something to compare: a
// map that gives up too often is of no use.
func rate(t *testing.T, what string, hits, tries int, least float64) {
	t.Helper()
	t.Logf("%s: %d of %d", what, hits, tries)
	if float64(hits) < least*float64(tries) {
		t.Errorf("%s: %d of %d", what, hits, tries)
	}
}

func TestComposition(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	const tries = 20000
	one, two := 0, 0
	for range tries {
		if x := random(r, [2]int{0, r.IntN(6)}); x.ok {
			one++
			check(t, "To side", x.m, x.want, x)
			check(t, "clone", x.m.Clone(), x.want, x)
		}
		if x := random(r, [2]int{r.IntN(4), r.IntN(4)}); x.ok {
			two++
			check(t, "both sides", x.m, x.want, x)
		}
	}
	rate(t, "chains on one side", one, tries, 0.8)
	rate(t, "chains on both sides", two, tries, 0.8)
}

// A failed Reshape is the only one that may lose a chain, and it may do so only
// where an index is no form: never in reshapes alone.
func TestReshapesAlone(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 5000 {
		n := length(extents(r))
		dims := factors(r, n)
		m := index.Identity(dims)
		for range 4 {
			dims = factors(r, n)
			if !m.Reshape(index.To, dims) {
				break // crossing factors, such as 2·3 and 3·2
			}
			if !slices.Equal(m.Dims[index.To], dims) {
				t.Fatalf("extents %v, want %v", m.Dims[index.To], dims)
			}
		}
	}
	for _, c := range []struct {
		from, to []int
		ok       bool
	}{
		{[]int{6}, []int{2, 3}, true},
		{[]int{2, 3}, []int{6}, true},
		{[]int{2, 3}, []int{3, 2}, false}, // no digit of 2 in 3
		{[]int{4, 3}, []int{6, 2}, false},
		{[]int{4, 6}, []int{2, 2, 3, 2}, true},
		{nil, []int{1, 1}, true},
		{[]int{1}, nil, true},
		{[]int{5, 7}, []int{35}, true},
	} {
		m := index.Identity(c.from)
		if ok := m.Reshape(index.To, c.to); ok != c.ok {
			t.Errorf("%v as %v: %v, want %v", c.from, c.to, ok, c.ok)
		}
	}
}

// solved checks that a solved map is a total function in its normal form.
func solved(t *testing.T, s *index.Map, x relation) map[int]int {
	t.Helper()
	have, err := pairs(s)
	if err != nil {
		t.Fatalf("solved: %v\nmap %+v\nof %v through %v", err, s, x.dims, x.sides)
	}
	f, ok := function(have)
	if !ok || len(f) != length(s.Dims[index.From]) || len(have) != length(s.Size) {
		t.Fatalf("solved map is no function of all %v: %+v\nof %v through %v", s.Dims[index.From], s, x.dims, x.sides)
	}
	return f
}

func TestSolve(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	functions, found := 0, 0
	for range 20000 {
		x := random(r, [2]int{r.IntN(4), r.IntN(4)})
		if !x.ok {
			continue
		}
		s, ok := x.m.Solve()
		want, isFunction := function(x.want)
		total := isFunction && len(want) == length(x.m.Dims[index.From])
		if total {
			functions++
			if ok {
				found++
			}
		}
		check(t, "Solve changes its receiver", x.m, x.want, x)
		if !ok {
			continue
		}
		if have := solved(t, s, x); !total || !maps.Equal(have, want) {
			t.Fatalf("have %v\nwant %v\nmap %+v\nof %v through %v", have, want, s, x.dims, x.sides)
		}
		if again, ok := s.Solve(); !ok || !again.Same(s) {
			t.Fatalf("solved again: %+v\nwant %+v", again, s)
		}
	}
	rate(t, "functions solved", found, functions, 0.95)
}

// A solved map stays as it is when the one it was made of changes.
func TestSolveStays(t *testing.T) {
	for name, solve := range map[string]func(*index.Map) (*index.Map, bool){
		"Solve":    (*index.Map).Solve,
		"Complete": (*index.Map).Complete,
		"Inverse":  (*index.Map).Inverse,
		"Then":     func(m *index.Map) (*index.Map, bool) { return index.Identity([]int{4, 6}).Then(m) },
	} {
		m := index.Identity([]int{4, 6})
		s, ok := solve(m)
		if !ok {
			t.Fatal(name)
		}
		want := s.Clone()
		for side := range m.Forms {
			m.Slice(index.Side(side), 0, 3, 9)
			m.Permute(index.Side(side), []int{1, 0})
			if !m.Reshape(index.Side(side), []int{3, 2, 9}) { // takes digits apart
				t.Fatal(name)
			}
		}
		if !s.Same(want) {
			t.Errorf("%s: %+v", name, s)
		}
	}
}

// What Complete adds is a guess; what was known stays.
func TestComplete(t *testing.T) {
	r := rand.New(rand.NewPCG(17, 18))
	extended, right := 0, 0
	for range 30000 {
		x := random(r, [2]int{r.IntN(3), r.IntN(4)})
		if !x.ok {
			continue
		}
		whole, isFunction := function(x.want)
		m, rel, ok := part(r, x)
		if !ok {
			continue
		}
		known, partFunction := function(rel)
		s, ok := m.Complete()
		check(t, "Complete changes its receiver", m, rel, x)
		if plain, solves := m.Solve(); solves && (!ok || !plain.Same(s)) {
			t.Fatalf("solved %+v\ncompleted %+v", plain, s)
		}
		if !ok {
			continue
		}
		have := solved(t, s, x)
		for from, to := range known {
			if have[from] != to || !partFunction {
				t.Fatalf("element %d comes from %d, want %d\nmap %+v\nmade of %+v", from, have[from], to, s, m)
			}
		}
		if len(known) < len(have) {
			extended++
			if isFunction && maps.Equal(have, whole) {
				right++
			}
		}
	}
	t.Logf("%d maps extended, %d to what they are a part of", extended, right)
	if extended < 500 || right < extended/4 {
		t.Errorf("%d maps extended, %d to what they are a part of", extended, right)
	}
}

// A window of one axis of several that are one: positions 2 to 4 of 8 in 3 slots.
func TestCompleteInside(t *testing.T) {
	m := index.Identity([]int{3, 3, 5})
	for _, side := range []index.Side{index.From, index.To} {
		m.Slice(side, 1, 2, 8)
		if !m.Reshape(side, []int{24, 5}) {
			t.Fatal("the axes cannot be joined")
		}
	}
	if s, ok := m.Complete(); !ok || !s.IsIdentity() {
		t.Errorf("%+v becomes %+v, want the identity", m, s)
	}
}

// Two spellings of one function have one normal form, and two functions do not.
func TestNormalForm(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	type entry struct {
		s *index.Map
		f map[int]int
		x relation
	}
	var all []entry
	for range 3000 {
		x := random(r, [2]int{r.IntN(2), r.IntN(4)})
		if !x.ok {
			continue
		}
		if s, ok := x.m.Solve(); ok {
			all = append(all, entry{s, solved(t, s, x), x})
		}
	}
	same := 0
	for i, a := range all {
		for _, b := range all[:i] {
			equal := slices.Equal(a.s.Dims[0], b.s.Dims[0]) && slices.Equal(a.s.Dims[1], b.s.Dims[1]) && maps.Equal(a.f, b.f)
			if equal {
				same++
			}
			if a.s.Same(b.s) != equal {
				t.Fatalf("Same = %v, the functions are equal = %v\n%+v\n%+v\n%v through %v\n%v through %v",
					!equal, equal, a.s, b.s, a.x.dims, a.x.sides, b.x.dims, b.x.sides)
			}
		}
		identity := slices.Equal(a.s.Dims[0], a.s.Dims[1])
		for from, to := range a.f {
			identity = identity && from == to
		}
		if a.s.IsIdentity() != identity {
			t.Fatalf("IsIdentity = %v: %+v", !identity, a.s)
		}
	}
	if same < 1000 {
		t.Errorf("only %d equal pairs", same)
	}
}

func TestInverse(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	bijections := 0
	for range 20000 {
		x := random(r, [2]int{r.IntN(3), r.IntN(3)})
		if !x.ok {
			continue
		}
		s, ok := x.m.Solve()
		if !ok {
			continue
		}
		f := solved(t, s, x)
		back := map[int]int{}
		for from, to := range f {
			back[to] = from
		}
		bijection := len(back) == len(f) && len(back) == length(s.Dims[index.To])
		inv, ok := s.Inverse()
		if ok != bijection {
			t.Fatalf("inverse = %v, bijection = %v: %+v\nof %v through %v", ok, bijection, s, x.dims, x.sides)
		}
		if ok {
			bijections++
			if have := solved(t, inv, x); !maps.Equal(have, back) {
				t.Fatalf("have %v\nwant %v", have, back)
			}
			if again, ok := inv.Inverse(); !ok || !again.Same(s) {
				t.Fatalf("inverse of the inverse: %+v\nwant %+v", again, s)
			}
			if id, ok := inv.Then(s); !ok || !id.IsIdentity() {
				t.Fatalf("there and back: %+v", id)
			}
		}
	}
	if bijections < 1000 {
		t.Errorf("only %d bijections", bijections)
	}
}

// part is a random map between the arrays of x, often one that names a part of
// what x names.
func part(r *rand.Rand, x relation) (*index.Map, map[pair]bool, bool) {
	var more []step
	dims := slices.Clone(x.dims)
	for axis, d := range dims {
		if r.IntN(2) == 0 {
			n := 1 + r.IntN(d)
			start := r.IntN(d - n + 1)
			more = slices.Insert(more, 0, step{index.Move{Kind: index.Slice, Args: []int{axis, start, n}}, slices.Clone(dims)})
			dims[axis] = n
		}
	}
	if r.IntN(3) == 0 {
		to := factors(r, length(dims))
		more = slices.Insert(more, 0, step{index.Move{Kind: index.Reshape, Args: to}, slices.Clone(dims)})
		dims = to
	}
	m := index.Identity(dims)
	ok := true
	var a [2]array
	for side := range a {
		steps := append(slices.Clone(more), x.sides[side]...)
		if side == 1 && r.IntN(4) == 0 { // another place in the same array
			for i := range steps {
				if s := &steps[i]; s.Kind == index.Slice {
					s.Args = []int{s.Args[0], r.IntN(s.dims[s.Args[0]] - s.Args[2] + 1), s.Args[2]}
				}
			}
		}
		a[side] = run(steps, dims)
		ok = ok && follow(m, index.Side(side), steps)
	}
	rel := map[pair]bool{}
	for i := range a[0].data {
		rel[pair{a[0].data[i], a[1].data[i]}] = true
	}
	return m, rel, ok
}

func TestAgrees(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	agreeing, seen, refused := 0, 0, 0
	for range 30000 {
		x := random(r, [2]int{r.IntN(3), r.IntN(4)})
		if !x.ok {
			continue
		}
		s, ok := x.m.Solve()
		if !ok {
			continue
		}
		f := solved(t, s, x)
		other, rel, ok := part(r, x)
		if !ok {
			continue
		}
		want := true
		for p := range rel {
			want = want && f[p.from] == p.to
		}
		got := s.Agrees(other)
		if got && !want {
			t.Fatalf("agrees with another map: %+v\n%+v\nof %v through %v", s, other, x.dims, x.sides)
		}
		if want {
			agreeing++
			if got {
				seen++
			}
		} else {
			refused++
		}
		check(t, "Agrees changes its argument", other, rel, x)
	}
	rate(t, "agreeing maps seen", seen, agreeing, 0.9)
	if refused < 500 {
		t.Errorf("only %d maps to refuse", refused)
	}
}

func TestThen(t *testing.T) {
	r := rand.New(rand.NewPCG(13, 14))
	functions, found := 0, 0
	for range 20000 {
		x := random(r, [2]int{0, r.IntN(4)})
		if !x.ok {
			continue
		}
		s, ok := x.m.Solve()
		if !ok {
			continue
		}
		f := solved(t, s, x)
		// A map to the array that s begins at.
		steps := [2][]step{chain(r, x.dims, r.IntN(2)), nil}
		first := index.Identity(x.dims)
		if !follow(first, index.From, steps[0]) {
			continue
		}
		a := run(steps[0], x.dims)
		rel := map[pair]bool{}
		for i, from := range a.data {
			rel[pair{from, f[i]}] = true
		}
		want, isFunction := function(rel)
		both, ok := s.Then(first)
		if isFunction && len(want) == length(first.Dims[index.From]) {
			functions++
			if ok {
				found++
			}
		}
		if !ok {
			continue
		}
		have := solved(t, both, x)
		for from, to := range want {
			if have[from] != to || !isFunction {
				t.Fatalf("element %d comes from %d, want %d: %+v", from, have[from], to, both)
			}
		}
	}
	rate(t, "compositions", found, functions, 0.9)
}

func TestPlan(t *testing.T) {
	r := rand.New(rand.NewPCG(15, 16))
	const maxRank = 6
	solutions, plans := 0, 0
	for range 20000 {
		x := random(r, [2]int{r.IntN(3), r.IntN(5)})
		if !x.ok {
			continue
		}
		s, ok := x.m.Solve()
		if !ok {
			continue
		}
		f := solved(t, s, x)
		solutions++
		moves, ok := s.Plan(maxRank)
		if !ok {
			continue
		}
		plans++
		a := iota(s.Dims[index.To])
		for i, m := range moves {
			before := a
			var err error
			if a, err = apply(a, m); err != nil {
				t.Fatalf("plan %v, move %d: %v\nmap %+v\nof %v through %v", moves, i, err, s, x.dims, x.sides)
			}
			if len(a.dims) > maxRank {
				t.Fatalf("plan %v: rank %d", moves, len(a.dims))
			}
			if slices.Equal(before.dims, a.dims) && slices.Equal(before.data, a.data) && length(a.dims) > 1 {
				t.Errorf("plan %v: move %d changes nothing\nmap %+v", moves, i, s)
			}
		}
		if !slices.Equal(a.dims, s.Dims[index.From]) {
			t.Fatalf("plan %v gives %v, want %v", moves, a.dims, s.Dims[index.From])
		}
		for i, v := range a.data {
			if v != f[i] {
				t.Fatalf("plan %v: element %d is %d, want %d\nmap %+v\nof %v through %v", moves, i, v, f[i], s, x.dims, x.sides)
			}
		}
		if s.IsIdentity() && len(moves) > 0 {
			t.Errorf("plan of the identity: %v", moves)
		}
	}
	rate(t, "plans", plans, solutions, 0.9)
}

// Maps of any making, compared with maps that they have nothing to do with: the
// answer may be no, but there is one.
func TestNothingPanics(*testing.T) {
	r := rand.New(rand.NewPCG(19, 20))
	strange := func() *index.Map {
		x := random(r, [2]int{r.IntN(4), r.IntN(4)})
		for !x.ok {
			x = random(r, [2]int{r.IntN(4), r.IntN(4)})
		}
		m := x.m
		for side := range m.Forms {
			if r.IntN(3) == 0 {
				dims := extents(r)
				forms := make([]index.Form, len(dims))
				for i := range forms {
					forms[i].Off = r.IntN(5) - 1
					for d := range m.Size {
						if r.IntN(2) == 0 {
							forms[i].Terms = append(forms[i].Terms, index.Term{Digit: d, Coef: 1 + r.IntN(4)})
						}
					}
				}
				m.Set(index.Side(side), dims, forms)
			}
		}
		return m
	}
	var last *index.Map
	for range 20000 {
		m := strange()
		m.Clone().Reshape(index.Side(r.IntN(2)), factors(r, 1+r.IntN(60)))
		for _, solve := range []func() (*index.Map, bool){m.Solve, m.Complete} {
			s, ok := solve()
			if !ok {
				continue
			}
			other := strange()
			s.Agrees(other)
			s.Then(other)
			s.Inverse()
			s.IsIdentity()
			s.Plan(1 + r.IntN(6))
			if last != nil {
				s.Same(last)
				s.Agrees(last)
				s.Then(last)
			}
			last = s
		}
	}
}

func TestFormEqual(t *testing.T) {
	f := func(off int, terms ...index.Term) index.Form { return index.Form{Off: off, Terms: terms} }
	a, b := index.Term{Digit: 0, Coef: 1}, index.Term{Digit: 1, Coef: 1}
	for _, c := range []struct {
		f, g index.Form
		want bool
	}{
		{f(0), f(0), true},
		{f(0), f(1), false},
		{f(1, a, b), f(1, b, a), true},
		{f(1, a), f(1, b), false},
		{f(1, a), f(1, a, b), false},
		{f(1, a, a), f(1, a, b), false},
		{f(1, a, b), f(1, a, a), false},
		{f(1, a, a, b), f(1, a, b, b), false},
		{f(1, a, b, a), f(1, b, a, a), true},
	} {
		if c.f.Equal(c.g) != c.want {
			t.Errorf("%v and %v: equal = %v", c.f, c.g, !c.want)
		}
	}
}
