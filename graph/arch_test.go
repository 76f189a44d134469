package graph_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/deltaloom/deltaloom"

// arrows says what each package of the module may import of the module, all
// that it reaches included: a folder stands for everything below it. A package
// that is not listed may import anything but the interop packages.
var arrows = map[string][]string{
	"graph":               {"graph"},
	"quant":               {"graph"}, // for the names of the types
	"gguf":                {"graph", "quant"},
	"ops":                 {"graph", "quant", "sample"},
	"models":              {"graph", "ops", "gguf", "quant", "sample", "models"},
	"fuse":                {"graph", "ops", "quant", "sample", "fuse"},
	"runtime/sched":       {"graph", "ops", "quant", "sample"},
	"runtime":             {"graph", "ops", "quant", "sample", "runtime"},
	"runtime/cuda/driver": {},
	"runtime/kernels":     {"runtime/kernels"},
	"tools/ptxsim":        {"tools/ptxsim"},
	"tools/graphviz":      {"graph"},
	"tokenizer":           {"gguf", "graph", "quant", "tokenizer"},
	"sample":              {"sample"},
	"chat":                {"chat"},
	"interop/gorgonia":    {"graph", "ops", "quant", "sample"},
	"interop/ggml":        {"graph", "ops", "quant", "sample"},
}

// purego calls C, which makes a program depend on the libraries of its system;
// callers are the packages that may import it.
const purego = "github.com/ebitengine/purego"

var callers = []string{"runtime/cuda/driver", "tools/ptxsim/cudasim"}

// within reports that a package lies in a folder of the module.
func within(pkg, folder string) bool { return pkg == folder || strings.HasPrefix(pkg, folder+"/") }

// rule returns the row of arrows for a package, the longest that fits.
func rule(pkg string) (folder string, ok bool) {
	for f := range arrows {
		if within(pkg, f) && len(f) >= len(folder) {
			folder, ok = f, true
		}
	}
	return folder, ok
}

// Who imports whom, on every system that has files of its own.
func TestArrows(t *testing.T) {
	for _, goos := range []string{"linux", "darwin", "windows"} {
		imports := list(t, goos)
		if imports[module+"/graph"] == nil {
			t.Fatalf("%s: go list does not know the graph package", goos)
		}
		for path := range imports {
			pkg, mine := strings.CutPrefix(path, module+"/")
			if !mine {
				continue
			}
			if slices.Contains(imports[path], purego) && !slices.Contains(callers, pkg) {
				t.Errorf("%s: %s imports %s, which only %v may", goos, pkg, purego, callers)
			}
			folder, ok := rule(pkg)
			for _, dep := range reach(imports, path) {
				d, own := strings.CutPrefix(dep, module+"/")
				switch {
				case own && ok && !slices.ContainsFunc(arrows[folder], func(f string) bool { return within(d, f) }):
					t.Errorf("%s: %s reaches %s, which the design does not allow", goos, pkg, d)
				case !within(pkg, "interop") && !within(pkg, "cmd") && within(d, "interop"),
					!within(pkg, "interop") && (within(d, "interop/gorgonia") || strings.HasPrefix(dep, "gorgonia.org/")):
					t.Errorf("%s: %s reaches %s, which belongs to interop", goos, pkg, dep)
				case within(pkg, "graph") && !own && strings.Contains(strings.Split(dep, "/")[0], "."):
					t.Errorf("%s: %s reaches %s, which is not in the standard library", goos, pkg, dep)
				}
			}
		}
	}
}

// list returns the direct imports of every package that the module needs.
func list(t *testing.T, goos string) map[string][]string {
	touch(t)
	cmd := exec.Command("go", "list", "-e", "-deps", "-f", "{{.ImportPath}} {{join .Imports \" \"}}", "./...")
	cmd.Dir = ".."
	cmd.Env = append(os.Environ(), "GOOS="+goos, "CGO_ENABLED=0")
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, errs.String())
	}
	imports := map[string][]string{}
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		if len(f) > 0 {
			imports[f[0]] = f[:len(f):len(f)][1:]
		}
	}
	return imports
}

// touch reads the folders of the module, so that the cached result of this test
// does not outlive a change in another package.
func touch(t *testing.T) {
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && len(d.Name()) > 2 && strings.HasPrefix(d.Name(), ".") {
			return filepath.SkipDir
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// reach returns all packages that a package imports, however far away.
func reach(imports map[string][]string, path string) []string {
	seen := map[string]bool{path: true}
	todo := []string{path}
	for len(todo) > 0 {
		p := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for _, d := range imports[p] {
			if !seen[d] {
				seen[d] = true
				todo = append(todo, d)
			}
		}
	}
	delete(seen, path)
	all := make([]string, 0, len(seen))
	for p := range seen {
		all = append(all, p)
	}
	slices.Sort(all)
	return all
}
