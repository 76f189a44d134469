package kernels_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/deltaloom/deltaloom/runtime/kernels"
	"github.com/deltaloom/deltaloom/runtime/kernels/internal/clang"
)

// The committed PTX is what the compiler makes of the committed source.
func TestGenerated(t *testing.T) {
	if err := clang.Available(); err != nil {
		t.Skipf("!!!! SKIPPED: %v: nothing has compared the PTX with its source", err)
	}
	sources, err := clang.Sources(".")
	if err != nil {
		t.Fatal(err)
	}
	families := map[string]bool{}
	for _, source := range sources {
		family := strings.TrimSuffix(source, filepath.Ext(source))
		families[family] = true
		t.Run(family, func(t *testing.T) {
			t.Parallel()
			want, err := clang.Compile(".", source)
			if err != nil {
				t.Fatal(err)
			}
			if kernels.PTX(family) != string(want) {
				t.Errorf("ptx/%s.ptx is not what %s gives: go generate ./runtime/kernels", family, source)
			}
		})
	}
	for kernel, family := range kernels.Names() {
		if !families[family] {
			t.Errorf("kernel %s: ptx/%s.ptx has no source", kernel, family)
		}
	}
}

// Kernels for all backends keep to Metal's rules too.
func TestMetalDialect(t *testing.T) {
	if err := clang.Available(); err != nil {
		t.Skipf("!!!! SKIPPED: %v: nothing has held the kernels to Metal's rules", err)
	}
	sources, err := clang.Sources(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, source := range sources {
		if filepath.Ext(source) == ".k" {
			if err := clang.CheckMetal(".", source, "testdata"); err != nil {
				t.Error(err)
			}
		}
	}
}
