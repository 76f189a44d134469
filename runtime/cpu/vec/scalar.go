package vec

import (
	"math"
	"unsafe"
)

// scalar computes in float64 where an approximation would come in.
var scalar = &Funcs{
	exp:      unary(math.Exp),
	sigmoid:  unary(sigmoid),
	silu:     unary(silu),
	softplus: unary(func(x float64) float64 { return max(x, 0) + math.Log1p(math.Exp(-math.Abs(x))) }),

	add:        binary(func(x, w float32) float32 { return x + w }),
	sub:        binary(func(x, w float32) float32 { return x - w }),
	mul:        binary(func(x, w float32) float32 { return x * w }),
	div:        binary(func(x, w float32) float32 { return x / w }),
	larger:     binary(func(x, w float32) float32 { return max(x, w) }),
	smaller:    binary(func(x, w float32) float32 { return min(x, w) }),
	mulSigmoid: binary(func(x, w float32) float32 { return x * float32(sigmoid(float64(w))) }),
	mulSilu:    binary(func(x, w float32) float32 { return x * float32(silu(float64(w))) }),

	scale: by(func(x, a float32) float32 { return a * x }),
	shift: by(func(x, a float32) float32 { return x + a }),
	over:  by(func(x, a float32) float32 { return x / a }),
	clamp: func(y, x *float32, n int, lo, hi float32) {
		ys := unsafe.Slice(y, n)
		for i, v := range unsafe.Slice(x, n) {
			ys[i] = min(max(v, lo), hi)
		}
	},
	axpy: func(y, x *float32, n int, a float32) {
		ys := unsafe.Slice(y, n)
		for i, v := range unsafe.Slice(x, n) {
			ys[i] += a * v
		}
	},
	scaleMul: func(y, x, w *float32, n int, a float32) {
		ys, ws := unsafe.Slice(y, n), unsafe.Slice(w, n)
		for i, v := range unsafe.Slice(x, n) {
			ys[i] = a * v * ws[i]
		}
	},
	mulAdd: func(y, x, w *float32, n int) {
		ys, ws := unsafe.Slice(y, n), unsafe.Slice(w, n)
		for i, v := range unsafe.Slice(x, n) {
			ys[i] += v * ws[i]
		}
	},
	filter4: func(y, x0, x1, x2, x3, w0, w1, w2, w3 *float32, n int) {
		ys := unsafe.Slice(y, n)
		at := func(p *float32, i int) float32 { return unsafe.Slice(p, n)[i] }
		for i := range ys {
			s := at(x0, i)*at(w0, i) + at(x1, i)*at(w1, i) + at(x2, i)*at(w2, i) + at(x3, i)*at(w3, i)
			ys[i] = float32(silu(float64(s)))
		}
	},
	transpose4: func(y, x *float32, n int) {
		ys, xs := unsafe.Slice(y, 4*n), unsafe.Slice(x, 4*n)
		for i := range n {
			for p := range 4 {
				ys[p*n+i] = xs[4*i+p]
			}
		}
	},
	rotate: func(u, v, cos, sin *float32, n int) {
		us, vs, c, s := unsafe.Slice(u, n), unsafe.Slice(v, n), unsafe.Slice(cos, n), unsafe.Slice(sin, n)
		for i := range us {
			us[i], vs[i] = us[i]*c[i]-vs[i]*s[i], us[i]*s[i]+vs[i]*c[i]
		}
	},
	dot: func(x, w *float32, n int) (s float32) {
		ws := unsafe.Slice(w, n)
		for i, v := range unsafe.Slice(x, n) {
			s += v * ws[i]
		}
		return s
	},
	sumSquares: func(x *float32, n int) (s float32) {
		for _, v := range unsafe.Slice(x, n) {
			s += v * v
		}
		return s
	},
	max: func(x *float32, n int) float32 {
		m := float32(math.Inf(-1))
		for _, v := range unsafe.Slice(x, n) {
			m = max(m, v)
		}
		return m
	},
	expSum: func(y, x *float32, n int, m float32) (s float32) {
		ys := unsafe.Slice(y, n)
		for i, v := range unsafe.Slice(x, n) {
			ys[i] = float32(math.Exp(float64(v - m)))
			s += ys[i]
		}
		return s
	},
	fromHalf: func(y *float32, x *byte, n int) { fromHalf(unsafe.Slice(y, n), unsafe.Slice(x, 2*n)) },
	toHalf:   func(y *byte, x *float32, n int) { toHalf(unsafe.Slice(y, 2*n), unsafe.Slice(x, n)) },
}

func unary(f func(float64) float64) func(y, x *float32, n int) {
	return func(y, x *float32, n int) {
		ys := unsafe.Slice(y, n)
		for i, v := range unsafe.Slice(x, n) {
			ys[i] = float32(f(float64(v)))
		}
	}
}

func binary(f func(x, w float32) float32) func(y, x, w *float32, n int) {
	return func(y, x, w *float32, n int) {
		ys, ws := unsafe.Slice(y, n), unsafe.Slice(w, n)
		for i, v := range unsafe.Slice(x, n) {
			ys[i] = f(v, ws[i])
		}
	}
}

func by(f func(x, a float32) float32) func(y, x *float32, n int, a float32) {
	return func(y, x *float32, n int, a float32) {
		ys := unsafe.Slice(y, n)
		for i, v := range unsafe.Slice(x, n) {
			ys[i] = f(v, a)
		}
	}
}

func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

// silu is 0 at -Inf, where x/(1+e^-x) would be NaN.
func silu(x float64) float64 { return max(x, -1e4) * sigmoid(x) }
