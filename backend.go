package deltaloom

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/deltaloom/deltaloom/ops"
	"github.com/deltaloom/deltaloom/quant"
	"github.com/deltaloom/deltaloom/runtime/cpu"
	"github.com/deltaloom/deltaloom/runtime/interp"
	"github.com/deltaloom/deltaloom/runtime/sched"
)

// Backends returns the names that Options.Backend takes. Those that this build
// does not have are among them.
func Backends() []string { return []string{"auto", "interp", "cpu", "cuda", "metal"} }

// Activations says what the other operand of a product with a quantised weight
// goes through.
type Activations string

const (
	FloatActivations Activations = "float" // nothing; so does ""
	GGMLActivations  Activations = "ggml"  // rounded as llama.cpp rounds it on a CPU
	CPUActivations   Activations = "cpu"   // rounded as our own CPU backend rounds it
)

// roundings are what the backend interp makes of them.
var roundings = map[Activations]quant.Rounding{
	"": quant.Float, FloatActivations: quant.Float, GGMLActivations: quant.GGML, CPUActivations: quant.Int8,
}

// NewBackend returns the backend of that name; threads is how many a processor's
// backend computes with, 0 standing for all. Activations are a choice of interp;
// another backend has its own way and refuses to round as llama.cpp does. A name
// that is known and not there gives an error that wraps errors.ErrUnsupported.
func NewBackend(name string, threads int, a Activations) (sched.Backend, error) {
	rounding, ok := roundings[a]
	if !ok {
		return nil, fmt.Errorf("activations %q: want %s, %s or %s", a, FloatActivations, GGMLActivations, CPUActivations)
	}
	if name == "auto" || name == "" {
		if name = "cpu"; rounding != quant.Float {
			name = "interp"
		}
	}
	switch {
	case name == "interp":
		return interp.New(ops.RoundActivations(rounding)), nil
	case name == "cpu" && rounding == quant.GGML:
		return nil, fmt.Errorf("backend cpu: activations %s: %w (backend interp has them)", a, errors.ErrUnsupported)
	case name == "cpu":
		return cpu.New(cpu.Options{Threads: threads})
	case slices.Contains(Backends(), name):
		return nil, fmt.Errorf("backend %s: %w (this build has: interp, cpu)", name, errors.ErrUnsupported)
	}
	return nil, fmt.Errorf("no backend %q (known: %s)", name, strings.Join(Backends(), ", "))
}
