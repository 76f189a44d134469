package tests

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/deltaloom/deltaloom/fuse"
	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/internal/fusiontable"
	"github.com/deltaloom/deltaloom/models"
)

// What is generated is written anew with
//
//	go test ./tests -run 'FusionTable|Docs' -update
var update = flag.Bool("update", false, "rewrite fusion.csv and the generated pages of docs")

const prefill = 512

// found is what fusion does to a built-in model.
type found struct {
	fusiontable.Size
	report *fuse.Report
}

// everything fuses every built-in model, for one token and for a prompt.
var everything = sync.OnceValues(func() (all []found, err error) {
	p, err := fuse.NewPipeline(fuse.Options{})
	if err != nil {
		return nil, err
	}
	for _, name := range models.Names() {
		c, err := models.ByName(name)
		if err != nil {
			return nil, err
		}
		for _, tokens := range []int{1, prefill} {
			g, err := models.Build(c, models.Step{Tokens: tokens, Context: 2 * prefill})
			if err != nil {
				return nil, err
			}
			_, report, err := p.Run(g)
			if err != nil {
				return nil, err
			}
			all = append(all, found{fusiontable.Size{Model: name, Tokens: tokens, Seqs: 1}, report})
		}
	}
	return all, nil
})

// TestFusionTable holds fusion to fusion.csv: how often each rule fires in each
// model, for one token and for a prompt.
func TestFusionTable(t *testing.T) {
	all, err := everything()
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		table := &fusiontable.Table{}
		for _, x := range all {
			table.Add(x.Size, x.report.Rules)
		}
		var buf bytes.Buffer
		if err := table.Write(&buf); err != nil {
			t.Fatal(err)
		}
		fresh(t, "fusion.csv", buf.Bytes())
		return
	}
	f, err := os.Open("fusion.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	table, err := fusiontable.Read(f)
	if err != nil {
		t.Fatal(err)
	}
	var sizes []fusiontable.Size
	for _, x := range all {
		sizes = append(sizes, x.Size)
		for _, wrong := range table.Check(x.Size, x.report.Rules) {
			t.Errorf("%s, %d tokens: %s", x.Model, x.Tokens, wrong)
		}
	}
	if !slices.Equal(sizes, table.Sizes) {
		t.Errorf("fusion.csv has the sizes %v, want %v", table.Sizes, sizes)
	}
}

// Fusion finds as much where attention reads a part of the cache, of some slots, and
// in half precision.
func TestPartOfCache(t *testing.T) {
	all, err := everything()
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range all {
		if x.Tokens > 1 {
			continue
		}
		c, err := models.ByName(x.Model)
		if err != nil {
			t.Fatal(err)
		}
		g, err := models.Build(c, models.Step{Slots: 3, Context: 2 * prefill, KV: prefill, Cache: graph.F16})
		if err != nil {
			t.Fatal(err)
		}
		_, report, err := fuse.Run(g, fuse.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if had, have := x.report.Before.Compute, report.Before.Compute; have != had {
			t.Errorf("%s: %d compute nodes, with the whole cache %d", x.Model, have, had)
		}
		if had, have := x.report.After.Compute, report.After.Compute; have != had {
			t.Errorf("%s, fused: %d compute nodes, with the whole cache %d", x.Model, have, had)
		}
	}
}

// fresh holds a generated file to what is generated now, or writes it.
func fresh(t *testing.T, path string, want []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, want, 0o666); err != nil {
			t.Fatal(err)
		}
		return
	}
	have, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(have, want) {
		i := 0
		for i < min(len(have), len(want)) && have[i] == want[i] {
			i++
		}
		t.Errorf("%s is stale from line %d on: go test ./tests -run 'FusionTable|Docs' -update", filepath.ToSlash(path), 1+bytes.Count(have[:i], []byte("\n")))
	}
}

// exampleNodes counts the compute nodes of a rule's example before and after it,
// alone where that is enough for it to fire, else with the canonical rules.
func exampleNodes(r *fuse.Rule) (before, after int, err error) {
	g, err := r.Example(r.Examples[0], 0)
	if err != nil {
		return 0, 0, err
	}
	canonical := slices.DeleteFunc(fuse.Default(), func(o *fuse.Rule) bool { return o.Stage != fuse.Canon || o.Name == r.Name })
	for _, others := range [][]*fuse.Rule{nil, canonical} {
		ng, report, err := fuse.Run(g, fuse.Options{Rules: append(others, r)})
		if err != nil {
			return 0, 0, err
		}
		before, after = report.Before.Compute, ng.Stats().Compute
		if slices.ContainsFunc(report.Rules, func(x fuse.RuleReport) bool { return x.Name == r.Name && x.Fired > 0 }) {
			break
		}
	}
	return before, after, nil
}
