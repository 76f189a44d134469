package ptxsim_test

import (
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/deltaloom/deltaloom/tools/ptxsim"
)

// All PTX that ships can be run.
func TestShipped(t *testing.T) {
	files, err := filepath.Glob("../../runtime/kernels/ptx/*.ptx")
	if err != nil || len(files) == 0 {
		t.Fatal("no PTX", err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ptxsim.Parse(string(text)); err != nil {
			t.Errorf("%s: %v", filepath.Base(f), err)
		}
	}
}

func floats(t *testing.T, m *ptxsim.Memory, at uint64, n int) []float32 {
	t.Helper()
	b, err := m.Bytes(at, int64(4*n))
	if err != nil {
		t.Fatal(err)
	}
	x := make([]float32, n)
	for i := range x {
		x[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return x
}

func put(t *testing.T, m *ptxsim.Memory, x ...float32) uint64 {
	t.Helper()
	at, err := m.Alloc(int64(4 * len(x)))
	if err != nil {
		t.Fatal(err)
	}
	b, err := m.Bytes(at, int64(4*len(x)))
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range x {
		binary.LittleEndian.PutUint32(b[4*i:], math.Float32bits(v))
	}
	return at
}

func TestRMSNorm(t *testing.T) {
	text, err := os.ReadFile("../../runtime/kernels/ptx/reduce.ptx")
	if err != nil {
		t.Fatal(err)
	}
	mod, err := ptxsim.Parse(string(text))
	if err != nil {
		t.Fatal(err)
	}
	var m ptxsim.Memory
	const rows, n = 5, 300
	x := make([]float32, rows*n)
	for i := range x {
		x[i] = float32(math.Sin(float64(i)))
	}
	in, out := put(t, &m, x...), put(t, &m, make([]float32, rows*n)...)
	params := binary.LittleEndian.AppendUint64(nil, in)
	params = binary.LittleEndian.AppendUint64(params, out)
	params = binary.LittleEndian.AppendUint32(params, n)
	params = binary.LittleEndian.AppendUint32(params, math.Float32bits(1e-6))
	params = binary.LittleEndian.AppendUint32(params, 0)
	if err := m.Launch(mod.Kernel("rms_norm_f32"), [3]uint32{rows, 1, 1}, [3]uint32{128, 1, 1}, 0, params); err != nil {
		t.Fatal(err)
	}
	y := floats(t, &m, out, rows*n)
	for r := range rows {
		var s float64
		for _, v := range x[r*n : (r+1)*n] {
			s += float64(v) * float64(v)
		}
		for i, v := range x[r*n : (r+1)*n] {
			if want := float64(v) / math.Sqrt(s/n+1e-6); math.Abs(want-float64(y[r*n+i])) > 1e-6 {
				t.Fatalf("row %d, %d: %v, want %v", r, i, y[r*n+i], want)
			}
		}
	}
}
