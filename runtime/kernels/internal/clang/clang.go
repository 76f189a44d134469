// Package clang compiles device source to PTX, by the one version of the
// compiler that the committed PTX was made with: Debian's clang-19 19.1.7.
package clang

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const (
	command = "clang-19"
	version = "19.1.7"
)

// Sources lists the kernel files of a folder, by name: .k for all backends, .cu
// for CUDA alone.
func Sources(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if ext := filepath.Ext(e.Name()); ext == ".k" || ext == ".cu" {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// Available returns nil where that compiler is installed.
func Available() error {
	out, err := exec.Command(command, "--version").Output()
	if err != nil {
		return fmt.Errorf("%s: %w", command, err)
	}
	if !strings.Contains(string(out), "version "+version) {
		first, _, _ := strings.Cut(string(out), "\n")
		return fmt.Errorf("%s: have %q, want version %s", command, first, version)
	}
	return nil
}

// Compile returns the PTX of a kernel file in a folder, for sm_80 and later.
func Compile(dir, source string) ([]byte, error) {
	c := exec.Command(command, "-x", "cuda", "--cuda-device-only", "-nocudainc", "-nocudalib",
		"--cuda-gpu-arch=sm_80", "--cuda-feature=+ptx70", "-O3", "-std=c++17", "-ffp-contract=fast",
		"-Wall", "-Werror", "-Wno-unused-function", "-Wno-cuda-compat", "-include", "prelude_cuda.h", "-S", source, "-o", "-")
	return run(c, dir, source)
}

// CheckMetal holds a kernel file, with the prelude for Metal in front, to the rules
// of Metal's language as far as clang knows them from OpenCL. stdlib is a folder with
// a stand-in for Metal's library.
func CheckMetal(dir, source, stdlib string) error {
	_, err := run(exec.Command(command, "-x", "cl", "-cl-std=CLC++2021", "-Xclang",
		"-cl-ext=-__opencl_c_generic_address_space,-__opencl_c_pipes,-__opencl_c_device_enqueue,-__opencl_c_program_scope_global_variables,-cl_khr_fp64,-__opencl_c_fp64",
		"-cl-no-stdinc", "--target=spir64", "-nostdinc", "-fsyntax-only", "-I", stdlib,
		"-Wno-unknown-attributes", "-Wno-undefined-internal", "-Wno-unused-value", "-include", "prelude_metal.h", source), dir, source)
	return err
}

func run(c *exec.Cmd, dir, source string) ([]byte, error) {
	c.Dir = dir
	var out, report bytes.Buffer
	c.Stdout, c.Stderr = &out, &report
	if err := c.Run(); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", source, err), errors.New(report.String()))
	}
	return out.Bytes(), nil
}
