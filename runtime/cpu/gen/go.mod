// The generators of the assembly under runtime/cpu: a module of its own, so that
// what they need never reaches those who use the runtime.
module github.com/deltaloom/deltaloom/runtime/cpu/gen

go 1.26.0

require github.com/mmcloughlin/avo v0.6.0

require (
	golang.org/x/mod v0.26.0 // indirect
	golang.org/x/sync v0.16.0 // indirect
	golang.org/x/tools v0.35.0 // indirect
)
