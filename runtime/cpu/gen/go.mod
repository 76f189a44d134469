// The generators of the assembly under runtime/cpu: a module of its own, so that
// what they need never reaches those who use the runtime.
module github.com/deltaloom/deltaloom/runtime/cpu/gen

go 1.26.0
