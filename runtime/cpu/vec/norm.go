package vec

import "math"

// RMSNorm sets y = x / √(mean x² + eps) · w.
func (f *Funcs) RMSNorm(y, x, w []float32, eps float32) {
	x = x[:len(y)]
	f.ScaleMul(y, rsqrt(float64(f.SumSquares(x))/float64(len(x))+float64(eps)), x, w)
}

// L2Norm sets y = x / √(Σ x² + eps).
func (f *Funcs) L2Norm(y, x []float32, eps float32) {
	x = x[:len(y)]
	f.Scale(y, rsqrt(float64(f.SumSquares(x))+float64(eps)), x)
}

// L2NormMax sets y = x / max(√Σ x², eps).
func (f *Funcs) L2NormMax(y, x []float32, eps float32) {
	x = x[:len(y)]
	f.Scale(y, float32(1/max(math.Sqrt(float64(f.SumSquares(x))), float64(eps))), x)
}

func rsqrt(x float64) float32 { return float32(1 / math.Sqrt(x)) }
