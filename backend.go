package deltaloom

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/models"
	"github.com/deltaloom/deltaloom/ops"
	"github.com/deltaloom/deltaloom/quant"
	"github.com/deltaloom/deltaloom/runtime/cpu"
	"github.com/deltaloom/deltaloom/runtime/interp"
	"github.com/deltaloom/deltaloom/runtime/sched"
)

// Backends returns the names that Options.Backend takes. Those that this program
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

// devices are the backends that a program has registered, by name.
var devices = struct {
	sync.Mutex
	open map[string]func() (sched.Backend, error)
}{open: map[string]func() (sched.Backend, error){}}

// RegisterBackend makes a device's backend known by its name, cuda or metal:
//
//	deltaloom.RegisterBackend("cuda", func() (sched.Backend, error) { return cuda.New(cuda.Options{}) })
//
// It is not part of every program, since binding a driver links a program with the
// system's loader. open is called for each model; where there is no such device its
// error wraps errors.ErrUnsupported, and auto takes the processor.
func RegisterBackend(name string, open func() (sched.Backend, error)) {
	devices.Lock()
	defer devices.Unlock()
	devices.open[name] = open
}

// device returns what opens the backend of that name, nil where it is not registered.
func device(name string) func() (sched.Backend, error) {
	devices.Lock()
	defer devices.Unlock()
	return devices.open[name]
}

// deviceNames lists the names of Backends that a program has to register.
var deviceNames = []string{"cuda", "metal"}

// NewBackend returns the backend of that name; threads is how many a processor's
// backend computes with, 0 standing for all. Activations are a choice of interp;
// another backend has its own way and refuses to round as llama.cpp does. A name
// that is known and not there gives an error that wraps errors.ErrUnsupported.
func NewBackend(name string, threads int, a Activations) (sched.Backend, error) {
	return newBackend(name, threads, a, slog.New(slog.DiscardHandler))
}

// newBackend is NewBackend, and logs why auto leaves a device.
func newBackend(name string, threads int, a Activations, log *slog.Logger) (sched.Backend, error) {
	rounding, ok := roundings[a]
	if !ok {
		return nil, fmt.Errorf("activations %q: want %s, %s or %s", a, FloatActivations, GGMLActivations, CPUActivations)
	}
	if name == "auto" || name == "" {
		if rounding != quant.Float {
			return NewBackend("interp", threads, a)
		}
		for _, name := range deviceNames {
			if device(name) == nil {
				continue
			}
			b, err := NewBackend(name, threads, a)
			if !errors.Is(err, errors.ErrUnsupported) {
				return b, err
			}
			log.Debug("the processor computes", "reason", err)
		}
		name = "cpu"
	}
	switch {
	case name == "interp":
		return interp.New(ops.RoundActivations(rounding)), nil
	case name != "interp" && rounding == quant.GGML:
		return nil, fmt.Errorf("backend %s: activations %s: %w (backend interp has them)", name, a, errors.ErrUnsupported)
	case name == "cpu":
		return cpu.New(cpu.Options{Threads: threads})
	case device(name) != nil:
		b, err := device(name)()
		if err != nil {
			return nil, fmt.Errorf("backend %w", err) // which begins with its name
		}
		return b, nil
	case slices.Contains(Backends(), name):
		return nil, fmt.Errorf("backend %s: %w (this program has: %s)", name, errors.ErrUnsupported, strings.Join(registered(), ", "))
	}
	return nil, fmt.Errorf("no backend %q (known: %s)", name, strings.Join(Backends(), ", "))
}

// registered lists the backends that can be opened.
func registered() []string {
	names := []string{"interp", "cpu"}
	for _, name := range deviceNames {
		if device(name) != nil {
			names = append(names, name)
		}
	}
	return names
}

// backendsOf returns the backends that run a model, the most wanted one first: that
// of the name asked for and, behind a device's, the processor, which computes what
// the device refuses or has no memory for.
func backendsOf(o Options, c *models.Config) ([]sched.Backend, error) {
	first, err := newBackend(o.Backend, o.Threads, o.Activations, o.Log)
	if err != nil {
		return nil, err
	}
	if _, host := first.(sched.HostBackend); host {
		return []sched.Backend{first}, nil
	}
	device, layers, err := fitting(first, c)
	if err != nil {
		return nil, errors.Join(err, first.Close())
	}
	if layers < c.Layers {
		o.Log.Info("the device has no memory for all layers", "backend", first.Name(), "layers", layers, "of", c.Layers)
	}
	rest, err := NewBackend("cpu", o.Threads, o.Activations)
	if err != nil {
		return nil, errors.Join(err, first.Close())
	}
	return []sched.Backend{device, rest}, nil
}

// supportedBy tells fusion which nodes may stay as they are: those that the backend
// has a kernel for that the node will go to.
func supportedBy(backends []sched.Backend) func(n *graph.Node) error {
	part, ok := backends[0].(*sched.Part)
	if !ok {
		return backends[0].Supports
	}
	return func(n *graph.Node) error {
		if part.Takes(n) {
			return part.Backend.Supports(n)
		}
		return backends[1].Supports(n)
	}
}
