package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/deltaloom/deltaloom/fuse"
	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/internal/fusiontable"
	"github.com/deltaloom/deltaloom/tools/graphviz"
)

// fuseCall is one call of the command fuse.
type fuseCall struct {
	*common
	sourceFlags
	out      format
	layer    int
	dot      string
	baseline string
}

func fuseCommand(c *common) *cobra.Command {
	f := &fuseCall{common: c}
	cmd := &cobra.Command{
		Use:   "fuse [FILE | --model NAME | --graph TEXT]",
		Short: "Fuse a graph, report what was found, and run both sides",
		Long: `Builds the unfused graph of a step, fuses it, and reports the rules, the nodes
before and after and the time. With weights at hand it runs both sides on the
same tokens and compares.

FILE is a model in GGUF. --model NAME takes a built-in shape table, without
weights. --graph reads the text form of a graph. Without any of them it is a
small built-in model with random weights: one token and a prompt of 80, of which
json has the first.

The csv output is one line a rule. Kept, it is a baseline: --check reads it and
fails where a rule fires more or less often than it says, at every size that it
lists of the model; without a model, of every built-in model that it lists.`,
		Example: "  deltaloom fuse --model qwen3.5-0.8b --tokens 512",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			file := ""
			if len(args) > 0 {
				file = args[0]
			}
			return f.run(cmd, file)
		},
	}
	f.sourceFlags.flags(cmd)
	f.out.flag(cmd)
	cmd.Flags().IntVar(&f.layer, "layer", allLayers, "layer `N` only")
	cmd.Flags().Lookup("layer").DefValue = "0" // as if it were the zero value, which help does not show
	cmd.Flags().StringVar(&f.dot, "dot", "", "write before.dot and after.dot to `DIR`")
	cmd.Flags().StringVar(&f.baseline, "check", "", "compare with `FILE`, the csv output of an earlier call")
	return cmd
}

// fused is a graph before and after.
type fused struct {
	Tokens, Seqs  int // 0 for a graph as text
	before, after *graph.Graph
	report        *fuse.Report
	was, is       graph.Stats // of the layer that was asked for, or of all
	check         *checked    // nil: not run
	checkErr      error       // why it could not be run
}

func (f *fuseCall) run(cmd *cobra.Command, file string) error {
	if err := f.out.check(); err != nil {
		return err
	}
	if f.layer < allLayers || cmd.Flags().Changed("layer") && f.layer == allLayers {
		return misused("--layer %d: want 0 or more", f.layer)
	}
	var base *baseline
	if f.baseline != "" {
		var err error
		if base, err = readBaseline(f.baseline); err != nil {
			return err
		}
		if file == "" && f.model == "" && f.graph == "" {
			return f.checkAll(cmd, base)
		}
	}
	s, err := f.open(cmd, file, f.seed)
	if err != nil {
		return err
	}
	defer s.close()
	sizes := []int{f.tokens}
	if file == "" && f.model == "" && f.graph == "" && !cmd.Flags().Changed("tokens") {
		sizes = []int{1, 80} // decode, and a prompt of a chunk and a padded one
	}
	if base != nil && s.text == nil && !cmd.Flags().Changed("tokens") {
		if known := base.tokens(s.name, f.seqs); len(known) > 0 {
			sizes = known
		}
	}
	var all []*fused
	for _, tokens := range sizes {
		x, err := f.fuse(cmd.Context(), s, tokens)
		if err != nil {
			return err
		}
		all = append(all, x)
	}
	if f.dot != "" {
		if err := f.draw(s, all[0]); err != nil {
			return err
		}
	}
	if err := f.out.print(cmd.OutOrStdout(), fusePage(f, s, all)); err != nil {
		return err
	}
	var errs []error
	for _, x := range all {
		if s.text == nil && x.checkErr != nil { // inputs of a text are invented and may be wrong
			errs = append(errs, fmt.Errorf("%s: the check could not be run: %w", s.name, x.checkErr))
		}
		if x.check != nil && !(x.check.NMSE <= checkLimit) {
			errs = append(errs, failed("the two sides differ in %q: NMSE %.3g, want at most %g", x.check.worst, float64(x.check.NMSE), checkLimit))
		}
		if base != nil {
			errs = append(errs, base.compare(fusiontable.Size{Model: s.name, Tokens: x.Tokens, Seqs: x.Seqs}, x.report))
		}
	}
	return errors.Join(errs...)
}

// fuse builds, fuses and, where it can, runs one size.
func (f *fuseCall) fuse(ctx context.Context, s *source, tokens int) (*fused, error) {
	x := &fused{Tokens: tokens, Seqs: f.seqs}
	if s.text != nil {
		x.Tokens, x.Seqs = 0, 0
	}
	var err error
	if x.before, err = s.build(tokens, f.seqs); err != nil {
		return nil, err
	}
	if f.rules.off {
		stats := x.before.Stats()
		x.after, x.report = x.before, &fuse.Report{Before: stats, After: stats, DeltaNets: fuse.DeltaNets(x.before.Nodes()...)}
	} else if x.after, x.report, err = fuse.Run(x.before, f.rules.options); err != nil {
		return nil, fmt.Errorf("%s: %w", s.name, err)
	}
	x.was, x.is = x.report.Before, x.report.After
	if f.layer != allLayers {
		if x.was, x.is = statsOf(x.before, f.layer), statsOf(x.after, f.layer); x.was.Nodes == 0 {
			return nil, misused("--layer %d: %s has no such layer", f.layer, s.name)
		}
	}
	if s.canCheck(x.before) {
		f.log.Debug("running both sides", "tokens", tokens, "seqs", f.seqs, "steps", checkSteps)
		if x.check, x.checkErr = s.check(ctx, f.common, tokens, f.seqs, x.before, x.after); x.checkErr != nil && ctx.Err() != nil {
			return nil, x.checkErr
		}
	}
	return x, nil
}

func (f *fuseCall) draw(s *source, x *fused) error {
	o := graphviz.Options{Title: s.name}
	if f.layer != allLayers {
		o.Layers = []int{f.layer}
	}
	if err := graphviz.WritePair(f.dot, x.before, x.after, o); err != nil {
		return err
	}
	f.log.Info(fmt.Sprintf("wrote before.dot and after.dot to %s", f.dot))
	return nil
}
