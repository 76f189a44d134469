package sample

import "math"

// exp returns e to the power of x <= 0, to one unit in the last place or two. It is here
// because math.Exp is another program on each kind of processor, with other last bits,
// and a seed is to pick the same tokens on all of them. For the same reason products are
// converted: that keeps a compiler from making one instruction of them and what follows.
func exp(x float64) float64 {
	if !(x > -708) { // the least normal number; a token that unlikely never comes
		return 0
	}
	const ln2High, ln2Low = 6.93147180369123816490e-01, 1.90821492927058770002e-10
	k := math.Floor(float64(x*math.Log2E) + 0.5)
	r := x - float64(k*ln2High) - float64(k*ln2Low) // at most half of ln 2 from 0
	sum := 0.0
	for _, c := range series {
		sum = float64(sum*r) + c
	}
	return math.Float64frombits(uint64(int64(k)+1023)<<52) * sum
}

// series is 1/13!, 1/12! and so on to 1/0!.
var series = func() (c [14]float64) {
	term := 1.0
	for n := range c {
		c[len(c)-1-n] = term
		term /= float64(n + 1)
	}
	return c
}()
