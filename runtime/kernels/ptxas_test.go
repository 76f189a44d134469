package kernels_test

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/deltaloom/deltaloom/runtime/kernels"
)

// mostSpilled is how many bytes of registers a thread may leave in memory: some at the
// edges of the largest loops. A loop that spills would have hundreds.
const mostSpilled = 512

var (
	entryLine = regexp.MustCompile(`Compiling entry function '(\w+)'`)
	spillLine = regexp.MustCompile(`(\d+) bytes spill stores`)
	sizeLine  = regexp.MustCompile(`Used (\d+) registers`)
)

// TestPtxas has NVIDIA's assembler compile what ships, for the oldest cards and for
// newer ones, where it is in the PATH (Debian: nvidia-cuda-toolkit, of non-free). With
// -v it tells the registers of each kernel.
func TestPtxas(t *testing.T) {
	ptxas, err := exec.LookPath("ptxas")
	if err != nil {
		t.Skip("NO PTXAS: ", err)
	}
	var families []string
	for _, f := range kernels.Names() {
		families = append(families, f)
	}
	slices.Sort(families)
	_, file, _, _ := runtime.Caller(0)
	for _, family := range slices.Compact(families) {
		for _, arch := range []string{"sm_80", "sm_90"} {
			t.Run(family+" "+arch, func(t *testing.T) {
				t.Parallel()
				out, err := exec.Command(ptxas, "-v", "-arch="+arch, "-o", filepath.Join(t.TempDir(), "cubin"),
					filepath.Join(filepath.Dir(file), "ptx", family+".ptx")).CombinedOutput()
				if err != nil {
					t.Fatalf("%v\n%s", err, out)
				}
				name, spilled := "", 0
				for _, line := range strings.Split(string(out), "\n") {
					if m := entryLine.FindStringSubmatch(line); m != nil {
						name = m[1]
					} else if m := spillLine.FindStringSubmatch(line); m != nil {
						if spilled, _ = strconv.Atoi(m[1]); spilled > mostSpilled {
							t.Errorf("%s spills %d bytes", name, spilled)
						}
					} else if m := sizeLine.FindStringSubmatch(line); m != nil {
						t.Logf("%-32s %3s registers, %d bytes spilled", name, m[1], spilled)
					}
				}
				if name == "" {
					t.Errorf("ptxas tells nothing of a kernel:\n%s", out)
				}
			})
		}
	}
}
