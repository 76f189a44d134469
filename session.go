package deltaloom

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"sync"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/models"
	"github.com/deltaloom/deltaloom/runtime/sched"
	"github.com/deltaloom/deltaloom/sample"
)

// SessionOptions are the sizes of a session.
type SessionOptions struct {
	Seqs    int // sequences at once; 0 stands for 1
	Context int // tokens that a sequence can have; 0 stands for 4096, or the model's own if that is less
	UBatch  int // tokens that one step takes at most; 0 stands for 512

	// Cache is the type of cached keys and values, graph.F32 or graph.F16. Where it
	// is not given, a model whose weights are all F32 has F32, and any other one,
	// which is no more precise itself, F16: half the memory to hold and to read.
	Cache graph.DType
}

// cachedRead is how many cached positions the graph for one that ends at position
// end reads, so that a graph serves many lengths. A fused graph takes the number
// as a bound and reads what is there; an unfused one reads all of it.
func (s *Session) cachedRead(end int) int {
	const least = 256
	n := (end + least - 1) / least * least
	if !s.m.options.Unfused {
		n = max(least, 1<<bits.Len(uint(end-1)))
	}
	return min(s.size.Context, n)
}

func (o SessionOptions) withDefaults(c *models.Config) (SessionOptions, error) {
	given := o
	if o.Seqs == 0 {
		o.Seqs = 1
	}
	if o.Context == 0 {
		o.Context = min(4096, c.Context)
	}
	if o.UBatch == 0 {
		o.UBatch = 512
	}
	if o.Cache == graph.Invalid {
		o.Cache = graph.F32
		for _, t := range c.Types {
			if t != graph.F32 {
				o.Cache = graph.F16
			}
		}
	}
	switch {
	case o.Seqs < 1 || o.Context < 1 || o.UBatch < 1:
		return o, fmt.Errorf("session %+v: sizes must not be negative", given)
	case o.Seqs > math.MaxInt32/o.Context:
		return o, fmt.Errorf("session %+v: more than %d positions", given, math.MaxInt32)
	case o.Cache != graph.F32 && o.Cache != graph.F16:
		return o, fmt.Errorf("session %+v: a cache of %v: %w", given, o.Cache, errors.ErrUnsupported)
	}
	return o, nil
}

// Session holds the states of some sequences. Its methods may be called
// concurrently and take turns.
type Session struct {
	m     *Model
	size  SessionOptions
	turns *batcher

	mu       sync.Mutex
	states   *sched.Session
	prepared recent[models.Step, *prepared]
	logits   []float32 // of one step
	launches int64
	flight   flight
	marks    int64 // bytes of all sequences' marks

	// of one call
	left  []int
	seqs  []int
	parts []Next
	draws []sample.Draw
	batch []models.Sequence
	spare []*Sequence
}

// prepared is a step with its memory. The logits are the session's.
type prepared struct {
	program *Program
	inputs  *models.Inputs
	run     *sched.Bound
	picked  []int32 // of a step with Top
}

// NewSession returns a session without sequences.
func (m *Model) NewSession(o SessionOptions) (*Session, error) {
	o, err := o.withDefaults(m.config)
	if err != nil {
		return nil, err
	}
	states, err := m.runner.NewSession(o.Seqs, func(state string) int {
		switch {
		case models.Positional(state):
			return o.Context
		case models.Passing(state):
			return sched.Passing
		}
		return 0
	})
	if err != nil {
		return nil, err
	}
	s := &Session{m: m, size: o, states: states, turns: newBatcher()}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.sessions == nil {
		return nil, errors.Join(errModelClosed, states.Close())
	}
	m.sessions[s] = true
	return s, nil
}

// Close frees the states of all sequences.
func (s *Session) Close() error {
	s.m.mu.Lock()
	delete(s.m.sessions, s)
	s.m.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.states.Close()
}

// Next is what a sequence goes on with.
type Next struct {
	Seq    *Sequence
	Tokens []int32 // at least one
}

// Rows says for which tokens logits are wanted.
type Rows int

const (
	AllRows Rows = iota // every token given
	LastRow             // the last token of each sequence
)

// of counts the rows of a sequence that is given n tokens.
func (r Rows) of(n int) int {
	if r == LastRow {
		return 1
	}
	return n
}

// Eval evaluates the next tokens of some sequences and returns their logits in
// the order given: f32 [tokens vocab], or [1 vocab] for LastRow. A batch is cut
// into steps of at most UBatch tokens; that and the other sequences change the
// result of one by no more than the rounding of sums taken in another order.
//
// Where a step fails, or ctx ends while it runs, its sequences are lost: only Reuse
// and End are left for them. After an error of any kind Len tells how far a sequence
// has come.
func (s *Session) Eval(ctx context.Context, rows Rows, next ...Next) ([]graph.Tensor, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.check(next); err != nil {
		return nil, err
	}
	results := make([]graph.Tensor, len(next))
	for i, n := range next {
		results[i] = graph.NewTensor(graph.ShapeOf(graph.F32, rows.of(len(n.Tokens)), s.m.config.Vocab))
	}
	if err := s.eval(ctx, rows, results, next); err != nil {
		return nil, err
	}
	return results, nil
}

// EvalInto is Eval with memory for the logits: the results have the shapes that
// Eval returns. Once steps of a size have been run, a further one allocates
// nothing.
func (s *Session) EvalInto(ctx context.Context, rows Rows, results []graph.Tensor, next ...Next) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.check(next); err != nil {
		return err
	}
	if len(results) != len(next) {
		return fmt.Errorf("%d results for %d sequences", len(results), len(next))
	}
	for i, n := range next {
		want := rows.of(len(n.Tokens)) * s.m.config.Vocab
		if t := results[i]; t.Shape.Rank() != 2 || t.Shape.DType != graph.F32 || t.Shape.Dim(1) != s.m.config.Vocab || t.Shape.Len() != want || len(t.F) != want {
			return fmt.Errorf("result %d: %v with %d values, want f32[%d %d]", i, t.Shape, len(t.F), rows.of(len(n.Tokens)), s.m.config.Vocab)
		}
	}
	return s.eval(ctx, rows, results, next)
}

// eval runs the steps of a batch that has been checked.
func (s *Session) eval(ctx context.Context, rows Rows, results []graph.Tensor, next []Next) error {
	s.left = s.left[:0]
	for _, n := range next {
		s.left = append(s.left, len(n.Tokens))
	}
	for {
		seqs, n := equalSplit(s.seqs, s.left, s.size.UBatch)
		if len(seqs) == 0 {
			return nil
		}
		s.seqs, s.parts = seqs, s.parts[:0]
		for _, i := range seqs {
			at := len(next[i].Tokens) - s.left[i]
			s.parts = append(s.parts, Next{next[i].Seq, next[i].Tokens[at : at+n]})
		}
		logits, per, err := s.step(ctx, s.parts, rows == LastRow)
		clear(s.parts)
		if err != nil {
			return err
		}
		for b, i := range seqs {
			s.left[i] -= n
			// Row r of the result is what the sequence's token first+r gives.
			V, first, done := s.m.config.Vocab, len(next[i].Tokens)-results[i].Shape.Dim(0), len(next[i].Tokens)-s.left[i]
			for t := max(done-per, first); t < done; t++ {
				from := (b*per + t - (done - per)) * V
				copy(results[i].F[(t-first)*V:(t-first+1)*V], logits[from:])
			}
		}
	}
}

// Memory is what a session and its model take, in bytes.
type Memory struct {
	File     int64 // mapped: weights are used where they lie
	Resident int64 // weights beside the file: computed from others at load, repacked, copied to a device
	States   int64 // of all sequences: delta nets, convolutions, caches of attention; a cache is backed as it fills
	Marks    int64 // copies of states that sequences can go back to; forks share those they began with, counted for each
	Working  int64 // values between nodes, logits of a step, memory of kernels
}

// Memory returns what there is now; states are made at the first Eval.
func (s *Session) Memory() Memory {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := Memory{Resident: s.m.runner.Resident()}
	if s.m.file != nil {
		m.File = s.m.file.Size()
	}
	m.States, m.Working = s.states.Memory()
	m.Marks = s.marks
	m.Working += 4 * int64(len(s.logits))
	for _, b := range s.m.backends {
		if b, ok := b.(interface{ Scratch() int64 }); ok {
			m.Working += b.Scratch()
		}
	}
	return m
}

// Launches returns how often the steps that have been run launched something on
// a device or let threads wait for each other.
func (s *Session) Launches() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.launches
}

// check refuses a batch that could not be done, before its first step is run.
func (s *Session) check(next []Next) error {
	for i, n := range next {
		if n.Seq != nil && n.Seq.busy.Load() {
			return fmt.Errorf("sequence %d of the batch: %w", i, errBusy)
		}
		if err := s.checkOne(n, next[:i]); err != nil {
			return fmt.Errorf("sequence %d of the batch: %w", i, err)
		}
	}
	return nil
}

// checkOne checks a part of a batch; earlier is the batch before it.
func (s *Session) checkOne(n Next, earlier []Next) error {
	switch {
	case n.Seq == nil || n.Seq.s != s:
		return errors.New("not a sequence of this session")
	case n.Seq.err != nil:
		return n.Seq.err
	case len(n.Tokens) == 0:
		return errors.New("no tokens")
	case len(n.Tokens) > s.size.Context-len(n.Seq.tokens):
		return fmt.Errorf("%d tokens after %d are more than a context of %d", len(n.Tokens), len(n.Seq.tokens), s.size.Context)
	}
	for _, e := range earlier {
		if e.Seq == n.Seq {
			return errors.New("twice in one batch")
		}
	}
	for i, id := range n.Tokens {
		if id < 0 || int(id) >= s.m.config.Vocab {
			return fmt.Errorf("token %d is %d, want 0 to %d", i, id, s.m.config.Vocab-1)
		}
	}
	return nil
}

// step runs equally many tokens of each sequence and returns the logits of the
// last ones, per of each, [B per vocab], until the next step.
func (s *Session) step(ctx context.Context, parts []Next, last bool) (logits []float32, per int, err error) {
	s.land(flight{})
	p, err := s.prepare(ctx, s.sizeOf(parts, last, 0))
	if err != nil {
		return nil, 0, err
	}
	if err := s.set(p, parts, nil); err != nil {
		return nil, 0, err
	}
	if err := s.went(p, parts, p.run.Run(ctx)); err != nil {
		return nil, 0, err
	}
	if per = len(parts[0].Tokens); last {
		per = 1
	}
	return s.logits[:len(parts)*per*s.m.config.Vocab], per, nil
}

// sizeOf returns the size of a step of equally many tokens of each sequence.
func (s *Session) sizeOf(parts []Next, last bool, top int) models.Step {
	T, end := len(parts[0].Tokens), 0
	for _, p := range parts {
		end = max(end, len(p.Seq.tokens)+T)
	}
	return models.Step{Seqs: len(parts), Tokens: T, Slots: s.size.Seqs, Context: s.size.Context,
		KV: s.cachedRead(end), Cache: s.size.Cache, Last: last && T > 1, Top: top}
}

// set makes the inputs of a step those tokens, and what picks the next one of each.
func (s *Session) set(p *prepared, parts []Next, draws []sample.Draw) error {
	s.batch = s.batch[:0]
	defer clear(s.batch)
	for i, n := range parts {
		q := models.Sequence{Slot: n.Seq.slot, Start: len(n.Seq.tokens), Tokens: n.Tokens}
		if draws != nil {
			q.Draw = draws[i]
		}
		s.batch = append(s.batch, q)
	}
	if err := p.inputs.Set(s.batch...); err != nil {
		return err
	}
	for _, n := range parts {
		n.Seq.written = max(n.Seq.written, len(n.Seq.tokens)+len(n.Tokens))
	}
	return nil
}

// went takes the tokens of a step into its sequences, which are lost where it failed.
func (s *Session) went(p *prepared, parts []Next, err error) error {
	if err != nil {
		for _, q := range parts {
			q.Seq.lose(err)
		}
		return err
	}
	s.launches += int64(p.program.Launches)
	for _, q := range parts {
		q.Seq.tokens = append(q.Seq.tokens, q.Tokens...)
		q.Seq.evaluated += int64(len(q.Tokens))
	}
	return nil
}

// prepare returns a step ready to be run, and makes it where it has not been run
// lately.
func (s *Session) prepare(ctx context.Context, step models.Step) (*prepared, error) {
	if err := ctx.Err(); err != nil {
		return nil, err // nothing is lost yet
	}
	if p, ok := s.prepared.get(step); ok {
		s.m.used(step)
		return p, nil
	}
	program, err := s.m.Program(step)
	if err != nil {
		return nil, err
	}
	inputs, err := step.NewInputs()
	if err != nil {
		return nil, err
	}
	p := &prepared{program: program, inputs: inputs}
	var outputs map[string]graph.Tensor
	if step.Top > 0 {
		t := graph.NewTensor(graph.ShapeOf(graph.I32, step.Seqs))
		p.picked, outputs = t.I, map[string]graph.Tensor{"picked": t}
	} else if outputs, err = s.logitsOf(step); err != nil {
		return nil, err
	}
	if p.run, err = s.states.Bind(ctx, program.Graph, inputs.Tensors(), outputs); err != nil {
		return nil, err
	}
	program.planned.Do(func() {
		program.Launches = p.run.Plan().Launches()
		for _, n := range p.run.Plan().Notes {
			s.m.options.Log.Info(n)
		}
	})
	if old, dropped := s.prepared.add(step, p); dropped {
		return p, old.run.Close()
	}
	return p, nil
}

// logitsOf returns memory for the logits of a step, which all steps of a session share.
func (s *Session) logitsOf(step models.Step) (map[string]graph.Tensor, error) {
	rows := step.Tokens
	if step.Last {
		rows = 1
	}
	out := graph.Tensor{Shape: graph.ShapeOf(graph.F32, step.Seqs, rows, s.m.config.Vocab)}
	if n := out.Shape.Len(); len(s.logits) < n {
		if err := s.forget(); err != nil {
			return nil, err
		}
		s.logits = make([]float32, n)
	}
	out.F = s.logits[:out.Shape.Len()]
	return map[string]graph.Tensor{"logits": out}, nil
}

// forget lets go of all prepared steps: the memory of their logits moves.
func (s *Session) forget() error {
	var errs []error
	for _, e := range s.prepared.list {
		errs = append(errs, e.value.run.Close())
	}
	s.prepared.list = nil
	return errors.Join(errs...)
}
