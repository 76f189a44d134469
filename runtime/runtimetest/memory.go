package runtimetest

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
	"github.com/deltaloom/deltaloom/runtime/sched"
)

// testMemory copies at offsets in all directions.
func testMemory(t *testing.T, b sched.Backend) {
	const n = 4096
	data := graph.NewTensor(graph.ShapeOf(graph.I32, n/4))
	for i := range data.I {
		data.I[i] = int32(i*0x01030507 + 0x00112233)
	}
	raw := sched.HostOf(data).Bytes()
	read := func(s sched.Span) []byte {
		t.Helper()
		return sched.HostOf(download(t, b, s, graph.ShapeOf(graph.I32, int(s.Len)/4))).Bytes()
	}
	one := upload(t, b, data)
	defer one.Buf.Free()
	if !bytes.Equal(read(one), raw) {
		t.Error("what was uploaded is not what is downloaded")
	}
	buf, err := b.Alloc(n)
	if err != nil {
		t.Fatal(err)
	}
	defer buf.Free()
	if buf.Size() < n {
		t.Errorf("%d bytes allocated, want %d", buf.Size(), n)
	}
	want := make([]byte, n)
	if !bytes.Equal(read(sched.Span{Buf: buf, Len: n}), want) {
		t.Error("new memory is not zero")
	}
	if err := b.Copy(sched.Span{Buf: buf, Off: 256, Len: 512}, sched.Span{Buf: one.Buf, Off: 64, Len: 512}); err != nil {
		t.Fatal(err)
	}
	copy(want[256:], raw[64:64+512])
	if err := b.Copy(sched.Span{Buf: buf, Off: 1024, Len: 12}, sched.Span{Buf: sched.HostOf(data), Off: 8, Len: 12}); err != nil {
		t.Fatal(err)
	}
	copy(want[1024:], raw[8:20])
	if !bytes.Equal(read(sched.Span{Buf: buf, Len: n}), want) {
		t.Error("copies at offsets went elsewhere")
	}
	if got := read(sched.Span{Buf: buf, Off: 128, Len: 256}); !bytes.Equal(got, want[128:384]) {
		t.Error("a download from an offset came from elsewhere")
	}
	if z, ok := b.(sched.Zeroer); ok {
		if err := z.Zero(sched.Span{Buf: buf, Off: 260, Len: 1000}); err != nil {
			t.Fatal(err)
		}
		clear(want[260:1260])
		if !bytes.Equal(read(sched.Span{Buf: buf, Len: n}), want) {
			t.Error("other memory was cleared than was meant")
		}
	}
}

// testCancel wants a context that has ended to stop a run.
func testCancel(t *testing.T, b sched.Backend) {
	r, g, x := doubling(t, b)
	s, err := r.NewSession(0, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Run(ctx, g, map[string]graph.Tensor{"x": x}); !errors.Is(err, context.Canceled) {
		t.Errorf("run under a cancelled context: %v", err)
	}
	if _, err := s.Run(t.Context(), g, map[string]graph.Tensor{"x": x}); err != nil {
		t.Errorf("run afterwards: %v", err)
	}
}

// testConcurrent runs one plan in several sessions at once.
func testConcurrent(t *testing.T, b sched.Backend) {
	r, g, _ := doubling(t, b)
	var group errgroup.Group
	for k := range 4 {
		s, err := r.NewSession(0, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		group.Go(func() error {
			x := graph.NewTensor(graph.ShapeOf(graph.F32, 64, 8))
			for i := range x.F {
				x.F[i] = float32(k + i)
			}
			for range 8 {
				out, err := s.Run(t.Context(), g, map[string]graph.Tensor{"x": x})
				if err != nil {
					return err
				}
				for i, y := range out["y"].F {
					if y != 2*x.F[i] {
						return errors.New("one session has seen the data of another one")
					}
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		t.Error(err)
	}
}

// doubling returns y = x + x; it skips the test for a backend that cannot add.
func doubling(t *testing.T, b sched.Backend) (*sched.Runner, *graph.Graph, graph.Tensor) {
	t.Helper()
	gb := graph.NewBuilder()
	shape := graph.ShapeOf(graph.F32, 64, 8)
	x := gb.Input("x", shape)
	gb.Output("y", ops.Add(x, x))
	g, err := gb.Build()
	if err != nil {
		t.Fatal(err)
	}
	r, err := sched.NewRunner(nil, b)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	if _, err := r.Load(t.Context(), g); errors.Is(err, errors.ErrUnsupported) {
		t.Skip(err)
	} else if err != nil {
		t.Fatal(err)
	}
	return r, g, graph.NewTensor(shape)
}
