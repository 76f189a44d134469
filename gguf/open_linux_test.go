package gguf

import (
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
)

// Opening touches the header of a file and none of its tensors.
func TestOpenReadsTheHeader(t *testing.T) {
	const size = 1 << 30 // bytes of a tensor, a hole in the file
	path := filepath.Join(t.TempDir(), "large.gguf")
	header := file(0, head(3, 1, 0), info("w", 0, 0, 1<<14, size/4>>14))
	if err := os.WriteFile(path, header, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, int64(len(header))+size); err != nil {
		t.Skip(err) // a file system without holes, or full
	}
	used := func() (faults int64, allocated uint64) {
		var u syscall.Rusage
		var m runtime.MemStats
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&m)
		return int64(u.Minflt + u.Majflt), m.TotalAlloc
	}
	faults, allocated := used()
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w, _ := f.Tensor("w")
	if n := len(w.Data()); n != size || f.Size() != int64(len(header))+size {
		t.Errorf("a tensor of %d bytes in a file of %d", n, f.Size())
	}
	nowFaults, nowAllocated := used()
	// The kernel maps 16 pages and more with a fault: 1 GiB is at most 16384 of them.
	if n, bytes := nowFaults-faults, nowAllocated-allocated; n > 1000 || bytes > 1<<20 {
		t.Errorf("opening took %d page faults and %d bytes", n, bytes)
	}
}
