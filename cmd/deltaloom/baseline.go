package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/deltaloom/deltaloom/fuse"
	"github.com/deltaloom/deltaloom/internal/fusiontable"
	"github.com/deltaloom/deltaloom/models"
)

// A baseline is the fusion table as a test: how often each rule fires in which
// model at which size. It is the csv output of fuse; several of them may stand
// in one file.

func baselineGrid(model string, all []*fused) *grid {
	g := &grid{head: []string{"model", "tokens", "seqs", "rule", "fired", "tried", "refused"}}
	for _, x := range all {
		for _, r := range x.report.Rules {
			refused := 0
			for _, why := range r.Refused {
				refused += why.Count
			}
			g.add(model, x.Tokens, x.Seqs, r.Name, r.Fired, r.Tried, refused)
		}
	}
	return g
}

type baseline struct {
	path string
	*fusiontable.Table
}

func readBaseline(path string) (*baseline, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	t, err := fusiontable.Read(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &baseline{path, t}, nil
}

// tokens returns the sizes that the baseline has of a model.
func (b *baseline) tokens(model string, seqs int) (all []int) {
	for _, s := range b.Sizes {
		if s.Model == model && s.Seqs == seqs {
			all = append(all, s.Tokens)
		}
	}
	return all
}

// compare holds what the rules did at a size to the baseline.
func (b *baseline) compare(s fusiontable.Size, r *fuse.Report) error {
	if !b.Has(s) {
		return fmt.Errorf("%s: no line for %s, %d tokens, %d sequences", b.path, s.Model, s.Tokens, s.Seqs)
	}
	if wrong := b.Check(s, r.Rules); len(wrong) > 0 {
		return failed("%s: %s, %s: %s", b.path, s.Model, plural(s.Tokens, "token"), strings.Join(wrong, "; "))
	}
	return nil
}

// checkAll holds every model of the baseline to it, or those lines of it that
// --tokens and --seqs name.
func (f *fuseCall) checkAll(cmd *cobra.Command, base *baseline) error {
	named := func(flag string, is, want int) bool { return !cmd.Flags().Changed(flag) || is == want }
	p := &page{csv: &grid{head: []string{"model", "tokens", "seqs", "nodes", "fused", "wrong"}}}
	list := []checkedSize{}
	text := &grid{head: []string{"model", "tokens", "sequences", "nodes", "fused", "rules fired"}}
	pipeline, err := fuse.NewPipeline(f.rules.options)
	if err != nil {
		return err
	}
	var errs []error
	for _, s := range base.Sizes {
		if !named("tokens", s.Tokens, f.tokens) || !named("seqs", s.Seqs, f.seqs) {
			continue
		}
		c, err := models.ByName(s.Model)
		if err != nil {
			return fmt.Errorf("%s: %w", base.path, err)
		}
		g, err := (&source{config: c}).build(s.Tokens, s.Seqs)
		if err != nil {
			return err
		}
		report := &fuse.Report{Before: g.Stats(), After: g.Stats()}
		if !f.rules.off {
			if _, report, err = pipeline.Run(g); err != nil {
				return fmt.Errorf("%s: %w", s.Model, err)
			}
		}
		x := checkedSize{s.Model, s.Tokens, s.Seqs, report.Before.Compute, report.After.Compute, base.Check(s, report.Rules)}
		said := "as before"
		if len(x.Wrong) > 0 {
			said = plural(len(x.Wrong), "rule") + " otherwise"
			errs = append(errs, base.compare(s, report))
		}
		list = append(list, x)
		text.add(x.Model, x.Tokens, x.Seqs, x.Nodes, x.Fused, said)
		p.csv.add(x.Model, x.Tokens, x.Seqs, x.Nodes, x.Fused, strings.Join(x.Wrong, "; "))
	}
	if len(list) == 0 {
		return fmt.Errorf("%s: no line for %d tokens, %d sequences", base.path, f.tokens, f.seqs)
	}
	p.json = list
	p.show(text)
	return errors.Join(append([]error{f.out.print(cmd.OutOrStdout(), p)}, errs...)...)
}

type checkedSize struct {
	Model  string   `json:"model"`
	Tokens int      `json:"tokens"`
	Seqs   int      `json:"seqs"`
	Nodes  int      `json:"nodes"` // that compute
	Fused  int      `json:"fused"` // what is left of them
	Wrong  []string `json:"wrong,omitempty"`
}
