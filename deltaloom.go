// Package deltaloom runs language models with delta-net layers, from a GGUF
// file or from a built-in shape table with random weights.
//
// A model is built as a plain graph, one for each size of a step, fused by
// package fuse and run by a backend:
//
//	m, err := deltaloom.Open("model.gguf", deltaloom.Options{})
//	s, err := m.NewSession(deltaloom.SessionOptions{})
//	seq, err := s.Begin()
//	logits, err := s.Eval(ctx, deltaloom.LastRow, deltaloom.Next{Seq: seq, Tokens: ids})
//
// Generate, Complete and Chat of a Sequence let it go on by itself; those that do so at
// the same time share steps.
//
// What is not supported, an architecture, a type or a backend, gives an error
// that wraps errors.ErrUnsupported.
package deltaloom

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/deltaloom/deltaloom/fuse"
	"github.com/deltaloom/deltaloom/gguf"
	"github.com/deltaloom/deltaloom/models"
	"github.com/deltaloom/deltaloom/runtime/sched"
)

// Options says how a model is run. The zero value fuses with the default rules
// and takes the best backend of the machine.
type Options struct {
	Backend     string       // of Backends; "" stands for auto
	Threads     int          // that a processor's backend computes with; 0 stands for all processors
	Activations Activations  // how products with quantised weights round
	Fuse        fuse.Options // which rules
	Unfused     bool         // run the graph as the model wrote it
	Log         *slog.Logger // nil: nothing is logged
}

// Model is a model that can be run. Its methods may be called concurrently.
type Model struct {
	config   *models.Config
	options  Options
	file     *gguf.File      // nil where there is none
	backends []sched.Backend // the most wanted one first
	runner   *sched.Runner
	words    words
	identify func() ([sha256.Size]byte, error)

	mu       sync.Mutex
	programs recent[models.Step, func() (*Program, error)]
	sessions map[*Session]bool
}

// Open opens the GGUF file of a model. Its weights are used where they lie in
// the file, so it must not change until Close. Errors name the file.
func Open(path string, o Options) (*Model, error) {
	f, err := gguf.Open(path)
	if err != nil {
		return nil, err
	}
	m, err := openFile(f, o)
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return m, nil
}

func openFile(f *gguf.File, o Options) (*Model, error) {
	c, err := models.FromGGUF(f)
	if err != nil {
		return nil, err
	}
	m, err := New(c, models.FileWeights(f), o)
	if err != nil {
		return nil, err
	}
	m.file = f
	return m, nil
}

// Synthetic returns the built-in model of that name (see models.Names) with
// random weights, which depend on the seed alone.
func Synthetic(name string, seed uint64, o Options) (*Model, error) {
	c, err := models.ByName(name)
	if err != nil {
		return nil, err
	}
	return New(c, models.Synthetic(c, seed), o)
}

// New returns the model of that configuration over weights from anywhere. Both
// must stay as they are until Close.
func New(c *models.Config, weights models.Source, o Options) (*Model, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	backends, err := backendsOf(o, c)
	if err != nil {
		return nil, err
	}
	m := &Model{config: c, options: o, backends: backends, sessions: map[*Session]bool{}}
	if m.runner, err = sched.NewRunner(weights, backends...); err != nil {
		return nil, errors.Join(err, m.closeBackends())
	}
	if o.Fuse.Supports == nil {
		m.options.Fuse.Supports = supportedBy(backends)
	}
	m.words, m.identify = newWords(m), newIdentity(m)
	return m, nil
}

// Config returns the hyper-parameters, which are not to be changed.
func (m *Model) Config() *models.Config { return m.config }

// Backend returns the name of the backend that runs the model.
func (m *Model) Backend() string { return m.backends[0].Name() }

// Threads returns how many threads compute, 1 on a backend that has no choice.
func (m *Model) Threads() int {
	if b, ok := m.backends[0].(interface{ Threads() int }); ok {
		return b.Threads()
	}
	return 1
}

var errModelClosed = errors.New("the model is closed")

// onceOpen returns a function that calls do once, while the model cannot be closed.
func onceOpen[T any](m *Model, do func() (T, error)) func() (T, error) {
	return sync.OnceValues(func() (result T, err error) {
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.sessions == nil {
			return result, errModelClosed
		}
		return do()
	})
}

// Close closes all sessions, after what they are running, and releases the
// model.
func (m *Model) Close() error {
	m.mu.Lock()
	var open []*Session
	for s := range m.sessions {
		open = append(open, s)
	}
	m.sessions = nil
	m.mu.Unlock()
	var errs []error
	for _, s := range open {
		errs = append(errs, s.Close())
	}
	errs = append(errs, m.runner.Close(), m.closeBackends())
	if m.file != nil {
		errs = append(errs, m.file.Close())
	}
	return errors.Join(errs...)
}

func (m *Model) closeBackends() error {
	var errs []error
	for _, b := range m.backends {
		errs = append(errs, b.Close())
	}
	return errors.Join(errs...)
}
