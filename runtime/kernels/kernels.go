// Package kernels holds the device code: one source file a family of kernels, in
// a small dialect of C++ that the preludes give a meaning on CUDA and Metal, and
// the PTX made from it.
package kernels

import (
	"embed"
	"path"
	"strings"
	"sync"
)

//go:generate go run ./gen

//go:embed ptx
var ptx embed.FS

// modules finds the family of each kernel.
var modules = sync.OnceValue(func() map[string]string {
	family := map[string]string{}
	files, err := ptx.ReadDir("ptx")
	if err != nil {
		panic(err) // the folder is in the binary
	}
	for _, f := range files {
		name := strings.TrimSuffix(f.Name(), ".ptx")
		for line := range strings.Lines(PTX(name)) {
			if _, entry, ok := strings.Cut(line, ".entry "); ok {
				family[strings.TrimRight(entry, "(\n")] = name
			}
		}
	}
	return family
})

// Family returns the family that has a kernel of this name, "" for none.
func Family(kernel string) string { return modules()[kernel] }

// Names returns the kernels and their families.
func Names() map[string]string { return modules() }

// PTX returns the code of a family, "" for none.
func PTX(family string) string {
	text, err := ptx.ReadFile(path.Join("ptx", family+".ptx"))
	if err != nil {
		return ""
	}
	return string(text)
}
