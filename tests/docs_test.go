package tests

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/deltaloom/deltaloom/fuse"
	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
)

const generated = "<!-- Generated: go test ./tests -run 'FusionTable|Docs' -update -->\n\n"

// TestDocsFusions holds docs/fusions.md to the rules.
func TestDocsFusions(t *testing.T) {
	all, err := everything()
	if err != nil {
		t.Fatal(err)
	}
	columns := published(all)
	var buf bytes.Buffer
	buf.WriteString(generated + `# Fusions

The rules by stage and name. Nodes are the compute nodes of the rule's first example
before and after it. The other columns say how often it fires in the published
models for one token; models in one column are alike. How often in every built-in
model, for a prompt too, is in tests/fusion.csv, to which a test and
deltaloom fuse --check tests/fusion.csv hold fusion.

`)
	head := []string{"rule", "stage", "formula", "nodes"}
	rows := [][]string{}
	for _, c := range columns {
		head = append(head, strings.Join(c.names, ", "))
	}
	for _, r := range fuse.Default() {
		before, after, err := exampleNodes(r)
		if err != nil {
			t.Fatal(err)
		}
		row := []string{r.Name, r.Stage.String(), r.Doc, fmt.Sprintf("%d → %d", before, after)}
		for _, c := range columns {
			row = append(row, often(c.fired[r.Name]))
		}
		rows = append(rows, row)
	}
	for _, line := range []struct {
		name string
		n    func(*fuse.Report) int
	}{
		{"compute nodes before", func(r *fuse.Report) int { return r.Before.Compute }},
		{"compute nodes after", func(r *fuse.Report) int { return r.After.Compute }},
	} {
		row := []string{"**" + line.name + "**", "", "", ""}
		for _, c := range columns {
			row = append(row, fmt.Sprintf("**%d**", line.n(c.report)))
		}
		rows = append(rows, row)
	}
	markdown(&buf, head, rows)
	fresh(t, "../docs/fusions.md", buf.Bytes())
}

// column is published models in which every rule fires alike.
type column struct {
	names  []string
	fired  map[string]int
	report *fuse.Report
}

func published(all []found) (columns []*column) {
	for _, x := range all {
		if x.Tokens != 1 || strings.HasSuffix(x.Model, "-tiny") || strings.HasSuffix(x.Model, "-mini") {
			continue
		}
		c := &column{[]string{x.Model}, map[string]int{}, x.report}
		for _, r := range x.report.Rules {
			c.fired[r.Name] = r.Fired
		}
		known := false
		for _, had := range columns {
			if known = reflect.DeepEqual(had.fired, c.fired) && had.report.After.Compute == x.report.After.Compute; known {
				had.names = append(had.names, x.Model)
				break
			}
		}
		if !known {
			columns = append(columns, c)
		}
	}
	return columns
}

func often(n int) string {
	if n == 0 {
		return "·"
	}
	return fmt.Sprint(n)
}

// TestDocsOps holds docs/ops.md to the ops.
func TestDocsOps(t *testing.T) {
	var buf bytes.Buffer
	buf.WriteString(generated + `# Ops

Every op, by name. A coarse op is what a rule made one node: its body is the
formula. A view moves no data.

`)
	var rows [][]string
	for _, op := range graph.Ops() {
		var kind []string
		if _, ok := op.Attrs.(ops.CoarseAttrs); ok {
			kind = append(kind, "coarse")
		}
		if op.View {
			kind = append(kind, "view")
		}
		rows = append(rows, []string{op.Name, op.Doc, attributes(op), strings.Join(kind, ", ")})
	}
	markdown(&buf, []string{"op", "formula", "attributes", "kind"}, rows)
	fresh(t, "../docs/ops.md", buf.Bytes())
}

// attributes writes the fields of an op's attributes as the text form names them.
func attributes(op *graph.Op) string {
	if op.Attrs == nil {
		return ""
	}
	var all []string
	for t, i := reflect.TypeOf(op.Attrs), 0; i < t.NumField(); i++ {
		all = append(all, strings.ToLower(t.Field(i).Name)+" "+t.Field(i).Type.String())
	}
	return strings.Join(all, ", ")
}

// markdown writes a table; a cell's line breaks become spaces.
func markdown(buf *bytes.Buffer, head []string, rows [][]string) {
	line := func(cells []string) {
		for _, c := range cells {
			c = strings.Join(strings.Fields(c), " ")
			buf.WriteString("| " + strings.NewReplacer("|", `\|`, "*", `\*`, "<", "&lt;").Replace(strings.ReplaceAll(c, "**", "\x00")) + " ")
		}
		buf.WriteString("|\n")
	}
	line(head)
	buf.WriteString(strings.Repeat("|---", len(head)) + "|\n")
	for _, r := range rows {
		line(r)
	}
	b := bytes.ReplaceAll(buf.Bytes(), []byte{0}, []byte("**"))
	buf.Reset()
	buf.Write(b)
}
