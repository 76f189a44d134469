package gemm

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/runtime/cpu/isa"
)

const benchRows, benchK = 4096, 4096

// benchTypes are one type of each way to multiply.
var benchTypes = []graph.DType{graph.F32, graph.F16, graph.Q8_0, graph.Q4_K, graph.Q5_K, graph.Q6_K}

// benchWeights returns matrices of together more than 200 MB, which no cache keeps.
// They are one random row over and over.
func benchWeights(b *testing.B, dt graph.DType, matrices int) [][]byte {
	row, _ := matrix(b, dt, 1, benchK, rand.New(rand.NewPCG(5, 6)))
	size := len(row) * benchRows
	if matrices == 0 {
		matrices = 200_000_000/size + 1
	}
	all := make([][]byte, matrices)
	for i := range all {
		all[i] = make([]byte, size)
		for r := range benchRows {
			copy(all[i][r*len(row):], row)
		}
	}
	return all
}

// BenchmarkVector multiplies with one row of activations and, for the limit, reads
// the same bytes: set "read".
func BenchmarkVector(b *testing.B) {
	for _, dt := range benchTypes {
		all := benchWeights(b, dt, 0)
		for _, set := range isa.Available() {
			b.Run(fmt.Sprintf("%v/%v", dt, set), func(b *testing.B) {
				p, err := New(set, dt, benchK)
				if err != nil {
					b.Fatal(err)
				}
				acts, _ := prepared(set, p.Kind(), 1, benchK, rand.New(rand.NewPCG(7, 8)))
				y := make([]float32, benchRows)
				b.SetBytes(int64(len(all) * len(all[0])))
				for b.Loop() {
					for _, w := range all {
						p.Rows(y, benchRows, w, acts, 1, 0, benchRows)
					}
				}
			})
		}
		b.Run(fmt.Sprintf("%v/read", dt), func(b *testing.B) {
			b.SetBytes(int64(len(all) * len(all[0])))
			var sum uint64
			for b.Loop() {
				for _, w := range all {
					for ; len(w) >= 64; w = w[64:] {
						sum += binary.NativeEndian.Uint64(w) + binary.NativeEndian.Uint64(w[8:]) +
							binary.NativeEndian.Uint64(w[16:]) + binary.NativeEndian.Uint64(w[24:]) +
							binary.NativeEndian.Uint64(w[32:]) + binary.NativeEndian.Uint64(w[40:]) +
							binary.NativeEndian.Uint64(w[48:]) + binary.NativeEndian.Uint64(w[56:])
					}
				}
			}
			_ = sum
		})
	}
}

// BenchmarkMatrix multiplies with many rows of activations; a multiplication and an
// addition are two operations.
func BenchmarkMatrix(b *testing.B) { benchMatrix(b, benchTypes) }

func BenchmarkMatrixOfAll(b *testing.B) { benchMatrix(b, types) }

func benchMatrix(b *testing.B, types []graph.DType) {
	for _, dt := range types {
		b.Run(dt.String(), func(b *testing.B) {
			w := benchWeights(b, dt, 1)[0]
			for _, set := range isa.Available() {
				for _, m := range []int{4, 16, 64, 256} {
					if set == isa.Scalar && m > 4 {
						continue
					}
					b.Run(fmt.Sprintf("%v/m=%d", set, m), func(b *testing.B) {
						p, err := New(set, dt, benchK)
						if err != nil {
							b.Fatal(err)
						}
						acts, _ := prepared(set, p.Kind(), m, benchK, rand.New(rand.NewPCG(7, 8)))
						y := make([]float32, m*benchRows)
						for b.Loop() {
							p.Rows(y, benchRows, w, acts, m, 0, benchRows)
						}
						b.ReportMetric(2*float64(m)*benchRows*benchK*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
					})
				}
			}
		})
	}
}

func BenchmarkPrepare(b *testing.B) {
	x := make([]float32, benchK)
	for i := range x {
		x[i] = rand.Float32()
	}
	dst := make([]byte, ActBytes(Int8, benchK))
	for _, set := range isa.Available() {
		b.Run(set.String(), func(b *testing.B) {
			for b.Loop() {
				Prepare(set, Int8, dst, x)
			}
		})
	}
}
