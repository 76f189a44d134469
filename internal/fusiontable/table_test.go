package fusiontable

import (
	"slices"
	"strings"
	"testing"

	"github.com/deltaloom/deltaloom/fuse"
)

const text = `model,tokens,seqs,rule,fired
m,1,1,a,2
m,1,1,b,1
m,512,1,a,3
`

func TestTable(t *testing.T) {
	table, err := Read(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	var buf strings.Builder
	if err := table.Write(&buf); err != nil || buf.String() != text {
		t.Errorf("written as\n%s, %v", buf.String(), err)
	}
	one := Size{"m", 1, 1}
	for _, c := range []struct {
		found string
		rules []fuse.RuleReport
		want  []string
	}{
		{"the same", []fuse.RuleReport{{Name: "a", Fired: 2}, {Name: "b", Fired: 1}, {Name: "c"}}, nil},
		{"one lost", []fuse.RuleReport{{Name: "a", Fired: 1}, {Name: "b", Fired: 1}}, []string{"a fired 1 times, was 2: 1 lost"}},
		{"one new", []fuse.RuleReport{{Name: "a", Fired: 2}, {Name: "b", Fired: 1}, {Name: "c", Fired: 4}}, []string{"c fired 4 times, was 0: 4 new"}},
		{"a rule gone", []fuse.RuleReport{{Name: "a", Fired: 2}}, []string{"b did not run, was 1: 1 lost"}},
	} {
		if have := table.Check(one, c.rules); !slices.Equal(have, c.want) {
			t.Errorf("%s: %q, want %q", c.found, have, c.want)
		}
	}
	if table.Has(Size{"m", 2, 1}) || !table.Has(one) || len(table.Sizes) != 2 {
		t.Errorf("sizes %v", table.Sizes)
	}
}

func TestReadErrors(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"empty":     {"", `no column "model"`},
		"no column": {"model,tokens,seqs,rule\n", `no column "fired"`},
		"no number": {"model,tokens,seqs,rule,fired\nm,1,1,a,x\n", "line 2: fired"},
	} {
		if _, err := Read(strings.NewReader(c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
}
