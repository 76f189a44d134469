package cuda_test

import (
	"bytes"
	"testing"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/runtime/cuda"
	"github.com/deltaloom/deltaloom/runtime/cuda/driver"
	"github.com/deltaloom/deltaloom/runtime/sched"
	"github.com/deltaloom/deltaloom/tools/ptxsim/cudasim"
)

// Pieces for an arena that lie side by side are one transfer; pieces for other memory
// leave alone what lies between them.
func TestUploadsSideBySide(t *testing.T) {
	d, err := cudasim.New(cudasim.Options{})
	if err != nil {
		t.Skip(err)
	}
	b := on(t, d)
	buf, err := b.Alloc(256)
	if err != nil {
		t.Fatal(err)
	}
	defer buf.Free()
	piece := func(v float32, n int) sched.Span {
		x := graph.NewTensor(graph.ShapeOf(graph.F32, n))
		for i := range x.F {
			x.F[i] = v
		}
		h := sched.HostOf(x)
		return sched.Span{Buf: h, Len: h.Size()}
	}
	at := func(off int64, s sched.Span) sched.Span { return sched.Span{Buf: buf, Off: off, Len: s.Len} }
	read := func() []byte {
		x := sched.HostOf(graph.NewTensor(graph.ShapeOf(graph.F32, 64)))
		if err := b.Copy(sched.Span{Buf: x, Len: 256}, sched.Span{Buf: buf, Len: 256}); err != nil {
			t.Fatal(err)
		}
		return x.Bytes()
	}
	check := func(errs ...error) {
		t.Helper()
		for _, err := range errs {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	one, two, all := piece(1, 3), piece(2, 5), piece(7, 64)
	check(b.Copy(at(0, all), all), b.Copy(at(0, one), one), b.Copy(at(64, two), two))
	want := bytes.Clone(all.Bytes())
	copy(want, one.Bytes())
	copy(want[64:], two.Bytes())
	if !bytes.Equal(read(), want) {
		t.Error("what lay between two pieces has changed")
	}
	d.Reset()
	check(b.CopyToArena(at(0, two), two), b.CopyToArena(at(64, one), one), b.CopyToArena(at(128, two), two))
	got := read()
	if n := d.Stats().HtoD; n != 1 {
		t.Errorf("%d transfers, want 1", n)
	}
	for off, s := range map[int][]byte{0: two.Bytes(), 64: one.Bytes(), 128: two.Bytes()} {
		if !bytes.Equal(got[off:off+len(s)], s) {
			t.Errorf("other bytes at %d than were sent", off)
		}
	}
}

// A card that the driver does not have is refused.
func TestNoSuchCard(t *testing.T) {
	d, err := cudasim.New(cudasim.Options{})
	if err != nil {
		t.Skip(err)
	}
	defer d.Close()
	api, err := driver.Bind(d.Lookup)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := cuda.New(cuda.Options{Driver: api, Device: 1}); err == nil {
		t.Error("a second card was found")
	}
}
