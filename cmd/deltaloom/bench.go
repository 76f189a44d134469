package main

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/deltaloom/deltaloom"
	"github.com/deltaloom/deltaloom/graph"
)

// benchCall is one call of the command bench.
type benchCall struct {
	*common
	out            benchFormat
	prompt, answer int
	depths         []int
	repeats        int
	fuse           []string
	stats          bool
}

func benchCommand(c *common) *cobra.Command {
	b := &benchCall{common: c}
	cmd := &cobra.Command{
		Use:   "bench FILE",
		Short: "Measure how fast a model reads a prompt and writes an answer",
		Long: `Measures tokens per second on random tokens: ppN is a prompt of N tokens, tgN an
answer of N tokens, one by one, @ dN behind N tokens that are there already. Each
test is run once to warm up, then -r times; with several values of --fuse they
take turns. nodes counts what is computed for a step after fusion, launches the
barriers between threads or launches on a device.

--stats adds what a test takes: the file, which is mapped; weights repacked or
computed beside it; states, caches of attention among them; working memory; and
launches and allocations per token in its last run. The peak of the process so
far counts every model that is open, one for each value of --fuse, each with a
mapping of the file.`,
		Example: "  deltaloom bench model.gguf -p 512 -n 128 --fuse off,on",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := b.checkFlags(); err != nil {
				return err
			}
			return b.run(cmd, args[0])
		},
	}
	f := cmd.Flags()
	b.out.flag(cmd)
	f.IntVarP(&b.prompt, "prompt", "p", 512, "a prompt of `N` tokens; 0: no such test")
	f.IntVarP(&b.answer, "answer", "n", 128, "an answer of `N` tokens; 0: no such test")
	f.IntSliceVarP(&b.depths, "depth", "d", []int{0}, "behind `N,…` tokens that are there already")
	f.IntVarP(&b.repeats, "repeat", "r", 5, "`N` times")
	f.BoolVar(&b.stats, "stats", false, "memory, launches and allocations too")
	f.StringSliceVar(&b.fuse, "fuse", []string{"on"}, "with fusion `on`, off, or both in turn")
	return cmd
}

// benchFormat is a format, or gobench: the lines that go test -bench prints.
type benchFormat struct{ format }

func (f *benchFormat) flag(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&f.name, "output", "o", "text", "print as `FORMAT`: text, md, json, csv, gobench")
}

func (f *benchFormat) check() error {
	if f.name == "gobench" {
		return nil
	}
	return f.format.check()
}

func (b *benchCall) checkFlags() error {
	if b.prompt < 0 || b.answer < 0 || b.prompt+b.answer == 0 || b.repeats < 1 {
		return misused("-p %d -n %d -r %d: want tokens and at least one run", b.prompt, b.answer, b.repeats)
	}
	for _, d := range b.depths {
		if d < 0 {
			return misused("-d %d: want 0 or more", d)
		}
	}
	return b.out.check()
}

// measured is one row; JSON has its fields.
type measured struct {
	Model    string    `json:"model"`
	Test     string    `json:"test"`
	Backend  string    `json:"backend"`
	Threads  int       `json:"threads"`
	Fuse     string    `json:"fuse"`
	Nodes    int       `json:"nodes"`
	Launches int       `json:"launches"`
	Average  float64   `json:"avg_ts"`
	Stddev   float64   `json:"stddev_ts"`
	Samples  []float64 `json:"samples_ts"`
	*taken             // nil without --stats
}

// taken is what a test takes, in bytes and for each token.
type taken struct {
	Peak     int64   `json:"peak_rss_bytes"` // of the process; 0: unknown
	File     int64   `json:"file_bytes"`
	Repacked int64   `json:"repacked_bytes"`
	States   int64   `json:"states_bytes"`
	Working  int64   `json:"working_bytes"`
	Launches float64 `json:"launches_per_token"`
	Allocs   float64 `json:"allocs_per_token"`
}

// benchTest is one thing to measure.
type benchTest struct {
	name                  string
	depth, prompt, answer int
}

func (b *benchCall) tests() (list []benchTest) {
	for _, d := range b.depths {
		at := ""
		if d > 0 {
			at = fmt.Sprintf(" @ d%d", d)
		}
		if b.prompt > 0 {
			list = append(list, benchTest{fmt.Sprintf("pp%d%s", b.prompt, at), d, b.prompt, 0})
		}
		if b.answer > 0 {
			list = append(list, benchTest{fmt.Sprintf("tg%d%s", b.answer, at), d, 0, b.answer})
		}
	}
	return list
}

func (b *benchCall) run(cmd *cobra.Command, path string) error {
	var ms []*deltaloom.Model
	for _, text := range b.fuse {
		rules, err := parseSelection(text)
		if err != nil {
			return err
		}
		o := b.options()
		o.Fuse, o.Unfused = rules.options, rules.off
		m, err := deltaloom.Open(path, o)
		if err != nil {
			return err
		}
		defer m.Close()
		ms = append(ms, m)
	}
	rows := []measured{}
	// A bar would allocate.
	bar := newProgress(cmd.ErrOrStderr(), b.quiet || b.stats, "bench", int64(len(b.tests())*len(ms)*(b.repeats+1)))
	defer bar.stop()
	for _, t := range b.tests() {
		some, err := b.turns(cmd.Context(), ms, t, bar)
		if err != nil {
			return fmt.Errorf("%s: %s: %w", path, t.name, err)
		}
		rows = append(rows, some...)
	}
	bar.stop()
	return b.print(cmd, rows)
}

// turns runs one test on each model in turn.
func (b *benchCall) turns(ctx context.Context, ms []*deltaloom.Model, t benchTest, bar *progress) ([]measured, error) {
	rows := make([]measured, len(ms))
	sessions := make([]*deltaloom.Session, len(ms))
	for i, m := range ms {
		rows[i] = measured{Model: m.Config().Name, Test: t.name, Backend: m.Backend(), Threads: m.Threads(), Fuse: b.fuse[i]}
		s, err := m.NewSession(deltaloom.SessionOptions{Context: t.depth + t.prompt + t.answer})
		if err != nil {
			return nil, err
		}
		defer s.Close()
		sessions[i] = s
	}
	for run := range b.repeats + 1 {
		for i, m := range ms {
			speed, each, err := b.measure(ctx, m, sessions[i], t)
			if err != nil {
				return nil, err
			}
			programs := m.Programs()
			last := programs[len(programs)-1]
			rows[i].Nodes, rows[i].Launches = last.Report.After.Compute, last.Launches
			if b.stats {
				rows[i].taken = each
			}
			if run > 0 {
				rows[i].Samples = append(rows[i].Samples, speed)
			}
			bar.add(1)
		}
	}
	peak := peakResident()
	for i := range rows {
		rows[i].Average, rows[i].Stddev = moments(rows[i].Samples)
		if b.stats {
			memory := sessions[i].Memory()
			rows[i].Peak, rows[i].File, rows[i].Repacked = peak, memory.File, memory.Resident
			rows[i].States, rows[i].Working = memory.States, memory.Working
		}
	}
	return rows, nil
}

// measure runs one test on a fresh sequence and returns tokens per second, and
// what each token took.
func (b *benchCall) measure(ctx context.Context, m *deltaloom.Model, s *deltaloom.Session, t benchTest) (float64, *taken, error) {
	q, err := s.Begin()
	if err != nil {
		return 0, nil, err
	}
	defer q.End()
	vocab := m.Config().Vocab
	tokens := randomTokens(t.depth+t.prompt+t.answer, vocab, rand.New(rand.NewPCG(b.seed, 0)))
	logits := []graph.Tensor{graph.NewTensor(graph.ShapeOf(graph.F32, 1, vocab))}
	eval := func(n int) error {
		next := deltaloom.Next{Seq: q, Tokens: tokens[:n]}
		tokens = tokens[n:]
		return s.EvalInto(ctx, deltaloom.LastRow, logits, next)
	}
	if t.depth > 0 {
		if err := eval(t.depth); err != nil {
			return 0, nil, err
		}
	}
	n := float64(t.prompt + t.answer)
	launches, allocs := s.Launches(), mallocs()
	start := time.Now()
	if t.prompt > 0 {
		if err := eval(t.prompt); err != nil {
			return 0, nil, err
		}
	}
	for range t.answer {
		if err := eval(1); err != nil {
			return 0, nil, err
		}
	}
	seconds := time.Since(start).Seconds()
	return n / seconds, &taken{Launches: float64(s.Launches()-launches) / n, Allocs: float64(mallocs()-allocs) / n}, nil
}

// mallocs counts what has been allocated.
func mallocs() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.Mallocs
}

// moments returns the mean and the standard deviation of a sample.
func moments(x []float64) (mean, deviation float64) {
	for _, v := range x {
		mean += v / float64(len(x))
	}
	if len(x) < 2 {
		return mean, 0
	}
	for _, v := range x {
		deviation += (v - mean) * (v - mean) / float64(len(x)-1)
	}
	return mean, math.Sqrt(deviation)
}

func (b *benchCall) print(cmd *cobra.Command, rows []measured) error {
	if b.out.name == "gobench" {
		for _, r := range rows {
			name := strings.NewReplacer(" ", "", "@", "/").Replace(r.Test)
			costs := ""
			if t := r.taken; t != nil {
				costs = fmt.Sprintf("\t%.2f launches/token\t%.2f allocs/token\t%d peak-rss-bytes", t.Launches, t.Allocs, t.Peak)
			}
			for _, ts := range r.Samples {
				fmt.Fprintf(cmd.OutOrStdout(), "Benchmark%s/fuse=%s/backend=%s-%d\t1\t%.0f ns/op\t%.2f tokens/s%s\n",
					name, r.Fuse, r.Backend, r.Threads, 1e9/ts, ts, costs)
			}
		}
		return nil
	}
	text := &grid{head: []string{"model", "test", "backend", "threads", "fuse", "nodes", "launches", "tokens/s"}}
	costs := &grid{head: []string{"test", "fuse", "file", "repacked", "states", "working", "launches/token", "allocs/token"}}
	csv := &grid{head: []string{"model", "test", "backend", "threads", "fuse", "nodes", "launches", "avg_ts", "stddev_ts"}}
	if b.stats {
		csv.head = append(csv.head, "peak_rss_bytes", "file_bytes", "repacked_bytes", "states_bytes", "working_bytes", "launches_per_token", "allocs_per_token")
	}
	for _, r := range rows {
		text.add(r.Model, r.Test, r.Backend, r.Threads, r.Fuse, r.Nodes, r.Launches, right(fmt.Sprintf("%.2f ± %.2f", r.Average, r.Stddev)))
		csvRow := []any{r.Model, r.Test, r.Backend, r.Threads, r.Fuse, r.Nodes, r.Launches, r.Average, r.Stddev}
		if t := r.taken; t != nil {
			costs.add(r.Test, r.Fuse, byteSize(t.File), byteSize(t.Repacked), byteSize(t.States), byteSize(t.Working),
				right(fmt.Sprintf("%.2f", t.Launches)), right(fmt.Sprintf("%.2f", t.Allocs)))
			csvRow = append(csvRow, t.Peak, t.File, t.Repacked, t.States, t.Working, t.Launches, t.Allocs)
		}
		csv.add(csvRow...)
	}
	p := &page{json: rows, csv: csv}
	p.show(text)
	p.show(costs)
	if b.stats {
		peak := "unknown"
		if n := rows[len(rows)-1].Peak; n > 0 {
			peak = size(n)
		}
		p.say("peak resident size of the process: %s (models open: %d)", peak, len(b.fuse))
	}
	return b.out.print(cmd.OutOrStdout(), p)
}
