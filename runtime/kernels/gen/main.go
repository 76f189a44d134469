// Command gen compiles the kernels of runtime/kernels to PTX: all of them, or
// those whose families are named.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/deltaloom/deltaloom/runtime/kernels/internal/clang"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func run(wanted []string) error {
	sources, err := clang.Sources(".")
	if err != nil {
		return err
	}
	named := map[string]bool{}
	for _, name := range wanted {
		named[name] = true
	}
	for _, source := range sources {
		name := strings.TrimSuffix(source, filepath.Ext(source))
		if len(wanted) > 0 && !named[name] {
			continue
		}
		ptx, err := clang.Compile(".", source)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join("ptx", name+".ptx"), ptx, 0o644); err != nil {
			return err
		}
	}
	return nil
}
