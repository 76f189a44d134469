// Package vec is arithmetic on rows of float32. A result depends on the elements
// alone, in their order, so rows may be cut between threads wherever elements do
// not meet.
package vec

import "math"

// lanes is how many partial sums a reduction keeps.
const lanes = 8

// Dot returns Σ x[i]·y[i]; y is at least as long as x.
func Dot(x, y []float32) float32 {
	var s [lanes]float32
	y = y[:len(x)]
	for len(x) >= lanes {
		a, b := (*[lanes]float32)(x), (*[lanes]float32)(y)
		s[0] += a[0] * b[0]
		s[1] += a[1] * b[1]
		s[2] += a[2] * b[2]
		s[3] += a[3] * b[3]
		s[4] += a[4] * b[4]
		s[5] += a[5] * b[5]
		s[6] += a[6] * b[6]
		s[7] += a[7] * b[7]
		x, y = x[lanes:], y[lanes:]
	}
	for i, e := range x {
		s[i] += e * y[i]
	}
	return total(s)
}

func total(s [lanes]float32) float32 {
	return ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]))
}

// SumSquares returns Σ x[i]².
func SumSquares(x []float32) float32 { return Dot(x, x) }

// Axpy adds a·x to y.
func Axpy(y []float32, a float32, x []float32) {
	x = x[:len(y)]
	for i := range y {
		y[i] += a * x[i]
	}
}

// Scale sets y = s·x; both may be the same memory, as in all that follow.
func Scale(y, x []float32, s float32) {
	x = x[:len(y)]
	for i := range y {
		y[i] = s * x[i]
	}
}

// Add sets y = a + b.
func Add(y, a, b []float32) {
	a, b = a[:len(y)], b[:len(y)]
	for i := range y {
		y[i] = a[i] + b[i]
	}
}

// Mul sets y = a·b.
func Mul(y, a, b []float32) {
	a, b = a[:len(y)], b[:len(y)]
	for i := range y {
		y[i] = a[i] * b[i]
	}
}

// MulAdd adds a·b to y.
func MulAdd(y, a, b []float32) {
	a, b = a[:len(y)], b[:len(y)]
	for i := range y {
		y[i] += a[i] * b[i]
	}
}

// Max returns the largest element, NaN where one is.
func Max(x []float32) float32 {
	m := x[0]
	for _, e := range x {
		m = max(m, e)
	}
	return m
}

// Exp sets y = e^x.
func Exp(y, x []float32) {
	for i, e := range x {
		y[i] = exp(e)
	}
}

// ExpSum sets y = e^(x-m) and returns its sum.
func ExpSum(y, x []float32, m float32) float32 {
	var s [lanes]float32
	for i, e := range x {
		e = exp(e - m)
		y[i] = e
		s[i%lanes] += e
	}
	return total(s)
}

// Sigmoid sets y = 1/(1+e^-x).
func Sigmoid(y, x []float32) {
	for i, e := range x {
		y[i] = Sigmoid1(e)
	}
}

// Sigmoid1 is Sigmoid of one number.
func Sigmoid1(x float32) float32 { return 1 / (1 + exp(-x)) }

// Silu sets y = x/(1+e^-x), 0 at -Inf.
func Silu(y, x []float32) {
	for i, e := range x {
		y[i] = silu(e)
	}
}

// SwiGLU sets y = silu(a)·b.
func SwiGLU(y, a, b []float32) {
	b = b[:len(a)]
	for i, e := range a {
		y[i] = silu(e) * b[i]
	}
}

// MulSigmoid sets y = x·sigmoid(z).
func MulSigmoid(y, x, z []float32) {
	x = x[:len(z)]
	for i, e := range z {
		y[i] = x[i] * Sigmoid1(e)
	}
}

func silu(x float32) float32 {
	if x < -200 {
		return 0 // x·e^x long before; -Inf would give NaN below
	}
	return x / (1 + exp(-x))
}

// Softplus sets y = ln(1+e^x), and x itself above 20.
func Softplus(y, x []float32) {
	for i, e := range x {
		y[i] = Softplus1(e)
	}
}

// Softplus1 is Softplus of one number.
func Softplus1(x float32) float32 {
	if x > 20 {
		return x
	}
	return float32(math.Log1p(math.Exp(float64(x))))
}

// Exp1 is e^x of one number.
func Exp1(x float32) float32 { return exp(x) }

// exp is 2^n·e^r with x = n·ln 2 + r, |r| ≤ ln 2 / 2, and e^r by its Taylor
// series to r⁷, whose rest is below 6e-9. ln 2 is subtracted in two parts, of
// which the first has so few digits that n times it is exact.
func exp(x float32) float32 {
	const (
		log2e  = 1.44269504
		ln2Hi  = 0.693359375
		ln2Low = -2.12194440e-4
	)
	switch {
	case x > 88.8:
		return float32(math.Inf(1))
	case x < -104:
		return 0
	case x != x:
		return x
	}
	n := int32(x*log2e+1024.5) - 1024 // rounds to the nearest
	r := x - float32(n)*ln2Hi
	r -= float32(n) * ln2Low
	p := float32(1.0 / 5040)
	p = p*r + 1.0/720
	p = p*r + 1.0/120
	p = p*r + 1.0/24
	p = p*r + 1.0/6
	p = p*r + 1.0/2
	p = p*r + 1
	p = p*r + 1
	// In two steps, since 2^n may be too large or too small for a float.
	half := n / 2
	return p * math.Float32frombits(uint32(half+127)<<23) * math.Float32frombits(uint32(n-half+127)<<23)
}
