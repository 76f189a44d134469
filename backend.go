package deltaloom

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/deltaloom/deltaloom/ops"
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
)

// NewBackend returns the backend of that name; threads is how many a processor's
// backend computes with, 0 standing for all. A name that is known and not there
// gives an error that wraps errors.ErrUnsupported.
func NewBackend(name string, threads int, a Activations) (sched.Backend, error) {
	var opts []ops.Option
	switch a {
	case FloatActivations, "":
	case GGMLActivations:
		opts = append(opts, ops.RoundActivations())
	default:
		return nil, fmt.Errorf("activations %q: want %s or %s", a, FloatActivations, GGMLActivations)
	}
	if name == "auto" || name == "" {
		if name = "cpu"; a == GGMLActivations {
			name = "interp" // which alone rounds like that
		}
	}
	switch {
	case name == "interp":
		return interp.New(opts...), nil
	case name == "cpu" && len(opts) > 0:
		return nil, fmt.Errorf("backend cpu: activations %s: %w (backend interp has them)", a, errors.ErrUnsupported)
	case name == "cpu":
		return cpu.New(cpu.Options{Threads: threads})
	case slices.Contains(Backends(), name):
		return nil, fmt.Errorf("backend %s: %w (this build has: interp, cpu)", name, errors.ErrUnsupported)
	}
	return nil, fmt.Errorf("no backend %q (known: %s)", name, strings.Join(Backends(), ", "))
}
