package main

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/deltaloom/deltaloom"
)

// benchCall is one call of the command bench.
type benchCall struct {
	*common
	out            benchFormat
	prompt, answer int
	depths         []int
	repeats        int
	fuse           []string
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
barriers between threads or launches on a device.`,
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
	bar := newProgress(cmd.ErrOrStderr(), b.quiet, "bench", int64(len(b.tests())*len(ms)*(b.repeats+1)))
	defer bar.stop()
	for _, t := range b.tests() {
		at := len(rows)
		for i, m := range ms {
			rows = append(rows, measured{Model: m.Config().Name, Test: t.name, Backend: m.Backend(), Threads: m.Threads(), Fuse: b.fuse[i]})
		}
		for run := range b.repeats + 1 {
			for i, m := range ms {
				speed, program, err := b.measure(cmd.Context(), m, t)
				if err != nil {
					return fmt.Errorf("%s: %s: %w", path, t.name, err)
				}
				row := &rows[at+i]
				row.Nodes, row.Launches = program.Report.After.Compute, program.Launches
				if run > 0 {
					row.Samples = append(row.Samples, speed)
				}
				bar.add(1)
			}
		}
	}
	for i := range rows {
		rows[i].Average, rows[i].Stddev = moments(rows[i].Samples)
	}
	bar.stop()
	return b.print(cmd, rows)
}

// measure runs one test on a fresh sequence and returns tokens per second and
// the program of its last step.
func (b *benchCall) measure(ctx context.Context, m *deltaloom.Model, t benchTest) (float64, *deltaloom.Program, error) {
	s, err := m.NewSession(deltaloom.SessionOptions{Context: t.depth + t.prompt + t.answer})
	if err != nil {
		return 0, nil, err
	}
	defer s.Close()
	q, err := s.Begin()
	if err != nil {
		return 0, nil, err
	}
	r := rand.New(rand.NewPCG(b.seed, 0))
	eval := func(n int) error {
		tokens := make([]int32, n)
		for i := range tokens {
			tokens[i] = int32(r.IntN(m.Config().Vocab))
		}
		_, err := s.Eval(ctx, deltaloom.LastRow, deltaloom.Next{Seq: q, Tokens: tokens})
		return err
	}
	if t.depth > 0 {
		if err := eval(t.depth); err != nil {
			return 0, nil, err
		}
	}
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
	programs := m.Programs()
	return float64(t.prompt+t.answer) / seconds, programs[len(programs)-1], nil
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
			for _, ts := range r.Samples {
				fmt.Fprintf(cmd.OutOrStdout(), "Benchmark%s/fuse=%s/backend=%s-%d\t1\t%.0f ns/op\t%.2f tokens/s\n",
					name, r.Fuse, r.Backend, r.Threads, 1e9/ts, ts)
			}
		}
		return nil
	}
	text := &grid{head: []string{"model", "test", "backend", "threads", "fuse", "nodes", "launches", "tokens/s"}}
	csv := &grid{head: []string{"model", "test", "backend", "threads", "fuse", "nodes", "launches", "avg_ts", "stddev_ts"}}
	for _, r := range rows {
		text.add(r.Model, r.Test, r.Backend, r.Threads, r.Fuse, r.Nodes, r.Launches, right(fmt.Sprintf("%.2f ± %.2f", r.Average, r.Stddev)))
		csv.add(r.Model, r.Test, r.Backend, r.Threads, r.Fuse, r.Nodes, r.Launches, r.Average, r.Stddev)
	}
	p := &page{json: rows, csv: csv}
	p.show(text)
	return b.out.print(cmd.OutOrStdout(), p)
}
