package sample

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func sampler(t testing.TB, o Options) *Sampler {
	t.Helper()
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func next(t testing.TB, s *Sampler, logits []float32) int32 {
	t.Helper()
	id, err := s.Next(logits)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

var (
	nan  = float32(math.NaN())
	inf  = float32(math.Inf(1))
	ninf = float32(math.Inf(-1))
)

func TestGreedy(t *testing.T) {
	for _, c := range []struct {
		logits []float32
		want   int32
	}{
		{[]float32{-3, -1, -2}, 1},
		{[]float32{1, 5, 5, 5}, 1},
		{[]float32{nan, -7, inf, -8}, 1},
		{[]float32{ninf, ninf, -1e30}, 2},
	} {
		for _, o := range []Options{{}, {Temperature: 1, TopK: 1}, {Temperature: 1, TopP: 1e-9}, {Temperature: 1, MinP: 1, TopK: 1}} {
			if got := next(t, sampler(t, o), c.logits); got != c.want {
				t.Errorf("%+v of %v: %d, want %d", o, c.logits, got, c.want)
			}
		}
	}
	for _, logits := range [][]float32{nil, {nan}, {inf, ninf}} {
		for _, o := range []Options{{}, {Temperature: 1}, {Temperature: 1, TopK: 2}} {
			if id, err := sampler(t, o).Next(logits); err == nil {
				t.Errorf("%+v picked %d of %v", o, id, logits)
			}
		}
	}
}

// logs returns logits that make these the probabilities.
func logs(p ...float64) (logits []float32) {
	for _, v := range p {
		logits = append(logits, float32(math.Log(v)))
	}
	return logits
}

// TestShares draws often and holds how often each token came to its probability, within
// five standard deviations.
func TestShares(t *testing.T) {
	even := logs(0.1, 0.4, 0.2, 0.3)
	for _, c := range []struct {
		o    Options
		want []float64
	}{
		{Options{Temperature: 1}, []float64{0.1, 0.4, 0.2, 0.3}},
		{Options{Temperature: 0.5}, []float64{0.01 / 0.3, 0.16 / 0.3, 0.04 / 0.3, 0.09 / 0.3}},
		{Options{Temperature: 1, TopK: 2}, []float64{0, 0.4 / 0.7, 0, 0.3 / 0.7}},
		{Options{Temperature: 1, TopK: 9}, []float64{0.1, 0.4, 0.2, 0.3}},
		{Options{Temperature: 1, TopP: 0.69}, []float64{0, 0.4 / 0.7, 0, 0.3 / 0.7}},
		{Options{Temperature: 1, TopP: 0.71}, []float64{0, 0.4 / 0.9, 0.2 / 0.9, 0.3 / 0.9}},
		{Options{Temperature: 1, MinP: 0.49}, []float64{0, 0.4 / 0.9, 0.2 / 0.9, 0.3 / 0.9}},
		{Options{Temperature: 1, MinP: 0.51}, []float64{0, 0.4 / 0.7, 0, 0.3 / 0.7}},
		// Of the two that TopK has left 0.4 is 4/7 of the probability.
		{Options{Temperature: 1, TopK: 2, TopP: 0.57}, []float64{0, 1, 0, 0}},
		// The temperature comes last: TopP sees the probabilities as they were.
		{Options{Temperature: 100, TopP: 0.39}, []float64{0, 1, 0, 0}},
	} {
		s, counts := sampler(t, c.o), make([]float64, len(even))
		const n = 20000
		for range n {
			counts[next(t, s, even)]++
		}
		for id, p := range c.want {
			if off := math.Abs(counts[id] - n*p); off > 5*math.Sqrt(n*p*(1-p)) {
				t.Errorf("%+v: token %d came %v times of %d, want %.0f", c.o, id, counts[id], n, n*p)
			}
		}
	}
}

// TestKept holds what the filters keep to their definitions, on everything sorted.
func TestKept(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for round := range 600 {
		logits := make([]float32, 1+random.IntN(40))
		if round%20 == 0 {
			logits = make([]float32, 3000) // more than TopP looks at first
		}
		var want []candidate
		for i := range logits {
			logits[i] = float32(random.IntN(12)) // some are equal
			if round%2 == 0 {
				logits[i] = float32(random.NormFloat64())
			}
			if i > 0 && random.IntN(10) == 0 {
				logits[i] = []float32{nan, inf, ninf}[random.IntN(3)]
				continue
			}
			want = append(want, candidate{id: int32(i), logit: logits[i]})
		}
		o := Options{Temperature: 0.7}
		if random.IntN(2) == 0 {
			o.TopK = 1 + random.IntN(45)
		}
		if random.IntN(2) == 0 {
			o.TopP = random.Float64()
		}
		if random.IntN(2) == 0 {
			o.MinP = random.Float64()
		}

		slices.SortFunc(want, byLogit)
		if o.TopK > 0 {
			want = want[:min(o.TopK, len(want))]
		}
		high, sum, have := float64(want[0].logit), 0.0, 0.0
		for _, c := range want {
			sum += math.Exp(float64(c.logit) - high)
		}
		for i, c := range want {
			p := math.Exp(float64(c.logit) - high)
			if have += p; p < o.MinP {
				want = want[:i]
				break
			}
			if o.TopP > 0 && have >= o.TopP*sum {
				want = want[:i+1]
				break
			}
		}

		s := sampler(t, o)
		id := next(t, s, logits)
		picked := slices.ContainsFunc(want, func(c candidate) bool { return c.id == id })
		slices.SortFunc(s.kept, byLogit)
		same := slices.EqualFunc(s.kept, want, func(a, b candidate) bool { return a.id == b.id && a.logit == b.logit })
		if !same || !picked {
			t.Fatalf("%+v of %v: picked %d of %v, want %v", o, logits, id, s.kept, want)
		}
	}
}

func TestExp(t *testing.T) {
	sum := fnv.New64a()
	for x := 0.0; x > -720; x -= 0.0371 {
		got, want := exp(x), math.Exp(x)
		if x > -708 && math.Abs(got-want) > 4e-16*want || x < -709 && got != 0 {
			t.Errorf("%v: %v, want %v", x, got, want)
		}
		binary.Write(sum, binary.LittleEndian, got)
	}
	for _, x := range []float64{math.Inf(-1), -math.MaxFloat64, math.NaN()} {
		if got := exp(x); got != 0 {
			t.Errorf("%v: %v, want 0", x, got)
		}
	}
	if got := fmt.Sprintf("%016x", sum.Sum64()); got != expBits {
		t.Errorf("the bits are %s, want %s as on every other processor", got, expBits)
	}
}

const expBits = "520d2a4895a69972"

// TestNoGarbage holds that a token takes no memory once a sampler is warm.
func TestNoGarbage(t *testing.T) {
	logits := make([]float32, 5000)
	for i := range logits {
		logits[i] = float32(i%97) / 10
	}
	for _, o := range []Options{
		{}, {RepeatPenalty: 1.1}, {Temperature: 1}, {Temperature: 1, TopP: 0.9}, {Temperature: 1, MinP: 0.1},
		{Temperature: 0.8, TopK: 40, TopP: 0.95, MinP: 0.05, RepeatPenalty: 1.1, FrequencyPenalty: 0.1, PenaltyWindow: 8},
	} {
		s := sampler(t, o)
		for range 200 {
			next(t, s, logits)
		}
		if n := testing.AllocsPerRun(100, func() { next(t, s, logits) }); n != 0 {
			t.Errorf("%+v: %v allocations a token", o, n)
		}
	}
}

func TestPenalties(t *testing.T) {
	logits := []float32{2, 1.5, -1, -1.2}
	for _, c := range []struct {
		o      Options
		before []int32
		want   []float32
	}{
		{Options{RepeatPenalty: 2}, []int32{0, 2, 0}, []float32{1, 1.5, -2, -1.2}},
		{Options{FrequencyPenalty: 0.5}, []int32{0, 2, 0}, []float32{1, 1.5, -1.5, -1.2}},
		{Options{PresencePenalty: 0.5}, []int32{0, 2, 0}, []float32{1.5, 1.5, -1.5, -1.2}},
		{Options{RepeatPenalty: 2, FrequencyPenalty: 1, PresencePenalty: 0.25}, []int32{3, 3}, []float32{2, 1.5, -1, -4.65}},
		{Options{PresencePenalty: 1, PenaltyWindow: 2}, []int32{0, 1, 2}, []float32{2, 0.5, -2, -1.2}},
		{Options{PresencePenalty: 1}, []int32{-1, 4}, logits}, // no such tokens
	} {
		s := sampler(t, c.o)
		s.Accept(c.before...)
		if got := s.apply(s.o, s.window, logits); !slices.Equal(got, c.want) {
			t.Errorf("%+v after %v: %v, want %v", c.o, c.before, got, c.want)
		}
	}
	// What is picked counts too, within the window.
	s := sampler(t, Options{PresencePenalty: 1, PenaltyWindow: 1})
	for i, want := range []int32{0, 1, 0, 1} {
		if got := next(t, s, logits); got != want {
			t.Errorf("pick %d is %d, want %d", i, got, want)
		}
	}
	if !slices.Equal(logits, []float32{2, 1.5, -1, -1.2}) {
		t.Error("logits have changed")
	}
}

func TestSeedAndClone(t *testing.T) {
	logits := logs(0.1, 0.2, 0.3, 0.4)
	o := Options{Temperature: 1, RepeatPenalty: 1.1, Seed: 7}
	draw := func(s *Sampler, n int) (ids []int32) {
		for range n {
			ids = append(ids, next(t, s, logits))
		}
		return ids
	}
	a, b := sampler(t, o), sampler(t, o)
	if x, y := draw(a, 50), draw(b, 50); !slices.Equal(x, y) {
		t.Errorf("the same seed gave %v and %v", x, y)
	}
	c := a.Clone()
	if x, y, z := draw(a, 50), draw(c, 50), draw(b, 50); !slices.Equal(x, y) || !slices.Equal(x, z) {
		t.Errorf("a clone gave %v, want %v as %v", y, x, z)
	}
	o.Seed = 8
	if x, y := draw(sampler(t, o), 50), draw(sampler(t, Options{Temperature: 1, RepeatPenalty: 1.1, Seed: 7}), 50); slices.Equal(x, y) {
		t.Error("another seed gave the same")
	}
	// The same on every platform.
	if got := fmt.Sprint(draw(sampler(t, Options{Temperature: 1, Seed: 1}), 12)); got != firstDraws {
		t.Errorf("seed 1 gives %s, want %s", got, firstDraws)
	}
}

const firstDraws = "[2 0 3 0 3 2 3 2 2 1 2 0]"

func TestCheck(t *testing.T) {
	for field, o := range map[string]Options{
		"Temperature": {Temperature: -1}, "TopK": {TopK: -1}, "TopP": {TopP: 1.1}, "MinP": {MinP: math.NaN()},
		"RepeatPenalty": {RepeatPenalty: -2}, "FrequencyPenalty": {FrequencyPenalty: math.Inf(1)},
		"PresencePenalty": {PresencePenalty: math.NaN()}, "PenaltyWindow": {PenaltyWindow: -1},
	} {
		if _, err := New(o); err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%+v: error %v, want one about %s", o, err, field)
		}
	}
}

func BenchmarkNext(b *testing.B) {
	logits := make([]float32, 248320)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range logits {
		logits[i] = float32(random.NormFloat64())
	}
	for name, o := range map[string]Options{
		"greedy": {}, "usual": {Temperature: 0.8, TopK: 40, TopP: 0.95, MinP: 0.05}, "penalties": {RepeatPenalty: 1.1}, "all": {Temperature: 1},
		"topP flat": {Temperature: 1, TopP: 0.9}, "topP": {Temperature: 1, TopP: 0.01}, "minP": {Temperature: 0.8, MinP: 0.05},
	} {
		b.Run(name, func(b *testing.B) {
			s := sampler(b, o)
			b.ReportAllocs()
			for b.Loop() {
				next(b, s, logits)
			}
		})
	}
}
