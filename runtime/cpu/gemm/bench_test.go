package gemm

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
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

// BenchmarkVector multiplies with one row of activations and, for the limit, reads the
// same bytes: set "read". The weights are more than any cache keeps, or few enough for
// the second one.
func BenchmarkVector(b *testing.B) {
	for _, dt := range types {
		b.Run(dt.String(), func(b *testing.B) {
			all := benchWeights(b, dt, 0)
			row := len(all[0]) / benchRows
			vectorSets(b, dt, "memory", all, benchRows, 1)
			vectorSets(b, dt, "memory", all, benchRows, 2)
			few := max(4, 200_000/row)
			vectorSets(b, dt, "cache", [][]byte{all[0][:few*row]}, few, 1)
		})
	}
}

// vectorSets reads and multiplies all matrices, the rows dealt to so many goroutines.
func vectorSets(b *testing.B, dt graph.DType, where string, all [][]byte, rows, threads int) {
	scratch := make([]Scratch, threads)
	run := func(name string, work func(s *Scratch, w []byte, lo, hi int)) {
		b.Run(fmt.Sprintf("%s/%s/threads=%d", where, name, threads), func(b *testing.B) {
			b.SetBytes(int64(len(all) * len(all[0])))
			for b.Loop() {
				var wg sync.WaitGroup
				for i := range threads {
					wg.Go(func() {
						for _, w := range all {
							work(&scratch[i], w, rows*i/threads, rows*(i+1)/threads)
						}
					})
				}
				wg.Wait()
			}
		})
	}
	run("read", func(_ *Scratch, w []byte, lo, hi int) { readStreams(w[lo*len(w)/rows : hi*len(w)/rows]) })
	for _, set := range isa.Available() {
		p, err := New(set, dt, benchK)
		if err != nil {
			b.Fatal(err)
		}
		acts, _ := prepared(set, p.Kind(), 1, benchK, rand.New(rand.NewPCG(7, 8)))
		y := make([]float32, rows)
		run(set.String(), func(s *Scratch, w []byte, lo, hi int) { p.Rows(s, y, rows, w, acts, 1, lo, hi) })
	}
}

// readStreams reads a word of each line of the first cache, from four places in turn as
// Rows does.
func readStreams(w []byte) {
	quarter := len(w) / 4 &^ 63
	var sum uint64
	for i := 0; i < quarter; i += 64 {
		for j := range 4 {
			sum += binary.NativeEndian.Uint64(w[j*quarter+i:])
		}
	}
	runtime.KeepAlive(sum)
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
						s, y := new(Scratch), make([]float32, m*benchRows)
						for b.Loop() {
							p.Rows(s, y, benchRows, w, acts, m, 0, benchRows)
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
