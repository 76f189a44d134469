package simd

import "math"

// Exp returns e^x: 2^n·e^r with n the nearest integer to x/ln 2, so |r| ≤ ln 2/2,
// and e^r = 1 + r + r²·q(r), q of degree 4 through the Chebyshev nodes, which errs
// by 2e-9. -Inf gives 0, NaN itself.
func (a *Asm) Exp(x V) V {
	x = a.Max(a.C(-104), a.Min(a.C(89), x)) // past these it rounds to 0 and to +Inf
	n := a.Round(a.Mul(x, a.C(math.Log2E)))
	r := a.FNMA(n, a.C(ln2), x)
	r = a.FNMA(n, a.C(ln2Rest), r)
	p := a.Polynomial(r, append([]float32{1, 1}, expTail...))
	return a.Scale2(p, n)
}

const (
	ln2     = float32(math.Ln2)
	ln2Rest = float32(math.Ln2 - float64(ln2))
)

var (
	expTail = chebyshev(4, -math.Ln2/2, math.Ln2/2, func(r float64) float64 { return series(r, inverseFactorial) })
	logTail = chebyshev(4, 0, 1.0/9, func(z float64) float64 { return series(z, func(k int) float64 { return 1 / float64(2*k+1) }) })
)

func inverseFactorial(k int) float64 { return 1 / math.Gamma(float64(k+3)) }

// Log1p returns ln(1+t) of t in 0..1: 2 artanh(s) with s = t/(2+t), as
// s·q(s²), q of degree 4 through the Chebyshev nodes, which errs by 1e-9.
func (a *Asm) Log1p(t V) V {
	s := a.Div(t, a.Add(t, a.C(2)))
	q := a.Polynomial(a.Mul(s, s), logTail)
	return a.Mul(a.Add(s, s), q)
}

// Sigmoid returns 1/(1+e^-x) by way of e^-|x|, which cannot overflow.
func (a *Asm) Sigmoid(x V) V {
	t := a.Exp(a.negativeAbs(x))
	return a.Div(a.BySign(x, t, a.C(1)), a.Add(t, a.C(1)))
}

// Silu returns x·sigmoid(x), which is 0 far to the left, at -Inf too.
func (a *Asm) Silu(x V) V {
	s := a.Sigmoid(x)
	return a.Mul(a.Max(a.C(-128), x), s)
}

// Softplus returns ln(1+e^x) = max(x, 0) + ln(1+e^-|x|).
func (a *Asm) Softplus(x V) V {
	l := a.Log1p(a.Exp(a.negativeAbs(x)))
	return a.Add(l, a.Max(a.C(0), x))
}

func (a *Asm) negativeAbs(x V) V {
	if a.Set == NEON {
		return a.neon("orr", a.newV(), none, x, a.Bits(1<<31))
	}
	return a.x86("VORPS", a.newV(), none, a.Bits(1<<31), x)
}

// Polynomial is Horner's rule, c[0] + c[1]·x + …
func (a *Asm) Polynomial(x V, c []float32) V {
	p := a.C(c[len(c)-1])
	for i := len(c) - 2; i >= 0; i-- {
		p = a.FMA(p, x, a.C(c[i]))
	}
	return p
}

func series(x float64, c func(int) float64) float64 {
	s := 0.0
	for k := 24; k >= 0; k-- {
		s = s*x + c(k)
	}
	return s
}

// chebyshev returns the coefficients of the polynomial of that degree which
// meets f in the Chebyshev nodes of lo..hi.
func chebyshev(degree int, lo, hi float64, f func(float64) float64) []float32 {
	n := degree + 1
	x, d := make([]float64, n), make([]float64, n)
	for i := range n {
		x[i] = (lo+hi)/2 + (hi-lo)/2*math.Cos(math.Pi*(float64(i)+0.5)/float64(n))
		d[i] = f(x[i])
	}
	for k := 1; k < n; k++ { // divided differences
		for i := n - 1; i >= k; i-- {
			d[i] = (d[i] - d[i-1]) / (x[i] - x[i-k])
		}
	}
	c := make([]float64, n) // Newton's form, multiplied out
	for i := n - 1; i >= 0; i-- {
		for k := n - 1; k > 0; k-- {
			c[k] = c[k-1] - x[i]*c[k]
		}
		c[0] = d[i] - x[i]*c[0]
	}
	out := make([]float32, n)
	for i := range c {
		out[i] = float32(c[i])
	}
	return out
}
