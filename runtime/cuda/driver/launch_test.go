//go:build !nogpu && !android && linux && (amd64 || arm64)

package driver

import (
	"testing"

	"github.com/ebitengine/purego"
)

// onLibrary binds a function of the C library that gives back its first argument,
// which is 0: success.
func onLibrary(t testing.TB) *API {
	t.Helper()
	lib, err := purego.Dlopen("libc.so.6", purego.RTLD_NOW)
	if err != nil {
		t.Skip(err)
	}
	abs, err := purego.Dlsym(lib, "abs")
	if err != nil {
		t.Fatal(err)
	}
	a, err := Bind(func(string) (uintptr, error) { return abs, nil })
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func newLaunch() *Launch {
	return NewLaunch(0, [3]int{1, 1, 1}, [3]int{1, 1, 1}, 0, []Ptr{1, 2}, make([]byte, 20))
}

// Calls that repeat allocate nothing.
func TestAllocs(t *testing.T) {
	a, l, host := onLibrary(t), newLaunch(), make([]byte, 4)
	for _, test := range []struct {
		name string
		call func() error
	}{
		{"Launch", func() error { l.SetPointer(1, 3); return a.Launch(0, l) }},
		{"HtoD", func() error { return a.HtoD(0, host, 0) }},
		{"DtoD", func() error { return a.DtoD(0, 1, 2, 3) }},
		{"GraphLaunch", func() error { return a.GraphLaunch(0, 1) }},
		{"EventRecord", func() error { return a.EventRecord(0, 1) }},
		{"StreamWaitEvent", func() error { return a.StreamWaitEvent(0, 1) }},
		{"StreamSynchronize", func() error { return a.StreamSynchronize(0) }},
	} {
		n := testing.AllocsPerRun(100, func() {
			if err := test.call(); err != nil {
				t.Fatal(err)
			}
		})
		if n != 0 {
			t.Errorf("%s allocates %v times", test.name, n)
		}
	}
}

func BenchmarkLaunch(b *testing.B) {
	a, l := onLibrary(b), newLaunch()
	b.ReportAllocs()
	for b.Loop() {
		if err := a.Launch(0, l); err != nil {
			b.Fatal(err)
		}
	}
}
