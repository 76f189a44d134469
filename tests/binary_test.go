package tests

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/deltaloom/deltaloom/runtime/cuda/driver"
)

// TestOneBinary builds the command once, without cgo, and runs it on a machine without
// the driver and on one with a driver, of which all is there but a card. The backend
// cuda says which of the two it is, and auto goes on with the processor.
func TestOneBinary(t *testing.T) {
	gcc, err := exec.LookPath("gcc")
	if err != nil || runtime.GOOS != "linux" {
		t.Skip("NO C COMPILER for a library that stands for the driver")
	}
	dir := t.TempDir()
	program, model := filepath.Join(dir, "deltaloom"), filepath.Join(dir, "tiny.gguf")
	build := exec.Command("go", "build", "-o", program, "../cmd/deltaloom")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if out, err := exec.Command(program, "synth", "--model", "qwen3.5-tiny", "--type", "f32", "-o", model, "-q").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}

	// Every function that the backend wants answers that there is no card.
	const noDevice = 100
	source := "const char *const words = \"CUDA_ERROR_NO_DEVICE\";\n"
	if _, err := driver.Bind(func(name string) (uintptr, error) {
		body := fmt.Sprintf("return %d;", noDevice)
		if strings.HasPrefix(name, "cuGetError") {
			body = "*(const char **)b = words; return 0;"
		}
		source += fmt.Sprintf("int %s(long a, void *b) { %s }\n", name, body)
		return 1, nil
	}); err != nil {
		t.Skipf("no backend for cards here: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "driver.c"), []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(gcc, "-w", "-shared", "-fPIC", "-o", filepath.Join(dir, "libcuda.so.1"), filepath.Join(dir, "driver.c")).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}

	for name, machine := range map[string]struct{ libraries, says string }{
		"without a driver": {filepath.Join(dir, "none"), "no NVIDIA driver"}, "with a driver": {dir, "CUDA_ERROR_NO_DEVICE"},
	} {
		t.Run(name, func(t *testing.T) {
			if name == "without a driver" {
				if _, err := driver.Open(); err == nil {
					t.Skip("this machine has one")
				}
			}
			run := func(backend string) (string, error) {
				c := exec.Command(program, "verify", model, "--backend", backend)
				c.Env = append(os.Environ(), "LD_LIBRARY_PATH="+machine.libraries)
				out, err := c.CombinedOutput()
				return string(out), err
			}
			if out, err := run("cuda"); err == nil || !strings.Contains(out, machine.says) {
				t.Errorf("cuda: %v, want an error with %q\n%s", err, machine.says, out)
			}
			if out, err := run("auto"); err != nil {
				t.Errorf("auto: %v\n%s", err, out)
			}
		})
	}
}
