package reference

import (
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func words(w ...uint32) []byte {
	var b []byte
	for _, x := range w {
		b = binary.LittleEndian.AppendUint32(b, x)
	}
	return b
}

func TestRead(t *testing.T) {
	one := math.Float32bits(1)
	path := filepath.Join(t.TempDir(), "logits.bin")
	for name, c := range map[string]struct {
		data []byte
		want string // in the error
	}{
		"good":           {words(1, 2, 7, one, one), ""},
		"empty":          {nil, "too short"},
		"half a header":  {words(1)[:3], "too short"},
		"no tokens":      {words(0, 2), "0 tokens"},
		"negative":       {words(1<<31, 2, 7), "not a file of logits"},
		"cut off":        {words(1, 2, 7, one), "16 bytes, want 20"},
		"in a number":    {words(1, 2, 7, one, one)[:19], "want 20"},
		"something more": {words(1, 2, 7, one, one, one), "24 bytes, want 20"},
		"huge":           {words(1<<31-1, 1<<31-1, 7), "bytes, want"},
	} {
		if err := os.WriteFile(path, c.data, 0o666); err != nil {
			t.Fatal(err)
		}
		l, err := Read(path)
		switch {
		case c.want == "" && (err != nil || l.Vocab != 2 || l.Tokens[0] != 7 || l.F[1] != 1):
			t.Errorf("%s: %v %v", name, l, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path)):
			t.Errorf("%s: error %v, want %q and the file's name", name, err, c.want)
		}
	}
	if _, err := Read(filepath.Join(t.TempDir(), "none.bin")); err == nil {
		t.Error("no error for a missing file")
	}
}

func TestCompare(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	for _, c := range []struct {
		want, got    []float32
		nmse, maxAbs float64
	}{
		{[]float32{1, 2}, []float32{1, 2}, 0, 0},
		{[]float32{3, 4}, []float32{3, 3}, 1. / 25, 1},
		{[]float32{0, 0}, []float32{0, 0}, 0, 0},
		{[]float32{0, 0}, []float32{0, 1}, math.Inf(1), 1},
		{[]float32{1, inf}, []float32{1, inf}, 0, 0},
		{[]float32{3, inf}, []float32{4, inf}, 1. / 9, 1},
		{[]float32{1, inf}, []float32{1, 1}, math.Inf(1), math.Inf(1)},
		{[]float32{1, 1}, []float32{1, nan}, math.Inf(1), math.Inf(1)},
		{[]float32{1, nan}, []float32{1, nan}, math.Inf(1), math.Inf(1)},
	} {
		if d := Compare(c.want, c.got); d.NMSE != c.nmse || d.MaxAbs != c.maxAbs {
			t.Errorf("%v %v: NMSE %g, largest difference %g, want %g, %g", c.want, c.got, d.NMSE, d.MaxAbs, c.nmse, c.maxAbs)
		}
	}
	if n := ArgmaxSame([]float32{1, 2, 5, 4}, []float32{0, 3, 1, 4}, 2); n != 1 {
		t.Errorf("argmax the same in %d rows, want 1", n)
	}
}
