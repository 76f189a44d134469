// Package fusiontable holds how often each rule fires in which model at which
// size, as a file that fusion is held to: a match that is lost is as wrong as one
// that is new.
package fusiontable

import (
	"encoding/csv"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"

	"github.com/deltaloom/deltaloom/fuse"
)

// Size is a step of a model.
type Size struct {
	Model        string
	Tokens, Seqs int
}

// Table is the counts by size and rule. A rule that has no line does not fire.
type Table struct {
	Sizes []Size // in order
	fired map[Size]map[string]int
}

var columns = []string{"model", "tokens", "seqs", "rule", "fired"}

// Read reads a table. Further columns are passed over, and so is a second head,
// where one file was put behind another.
func Read(r io.Reader) (*Table, error) {
	records, err := csv.NewReader(r).ReadAll()
	if err != nil {
		return nil, err
	}
	at := make([]int, len(columns))
	for i, name := range columns {
		if at[i] = -1; len(records) > 0 {
			at[i] = slices.Index(records[0], name)
		}
		if at[i] < 0 {
			return nil, fmt.Errorf("line 1: no column %q", name)
		}
	}
	t := &Table{}
	for n, record := range records[1:] {
		if slices.Equal(record, records[0]) {
			continue
		}
		var numbers [3]int
		for i, column := range []int{1, 2, 4} {
			if numbers[i], err = strconv.Atoi(record[at[column]]); err != nil {
				return nil, fmt.Errorf("line %d: %s: %w", n+2, columns[column], err)
			}
		}
		t.set(Size{record[at[0]], numbers[0], numbers[1]}, record[at[3]], numbers[2])
	}
	return t, nil
}

func (t *Table) set(s Size, rule string, fired int) {
	if t.fired == nil {
		t.fired = map[Size]map[string]int{}
	}
	if t.fired[s] == nil {
		t.fired[s] = map[string]int{}
		t.Sizes = append(t.Sizes, s)
	}
	t.fired[s][rule] = fired
}

// Add writes down what was found at a size.
func (t *Table) Add(s Size, rules []fuse.RuleReport) {
	for _, r := range rules {
		if r.Fired > 0 {
			t.set(s, r.Name, r.Fired)
		}
	}
}

// Write writes the table as Read reads it.
func (t *Table) Write(w io.Writer) error {
	out := csv.NewWriter(w)
	out.Write(columns)
	for _, s := range t.Sizes {
		for _, rule := range slices.Sorted(maps.Keys(t.fired[s])) {
			out.Write([]string{s.Model, strconv.Itoa(s.Tokens), strconv.Itoa(s.Seqs), rule, strconv.Itoa(t.fired[s][rule])})
		}
	}
	out.Flush()
	return out.Error()
}

// Has reports that the table has lines for a size.
func (t *Table) Has(s Size) bool { return t.fired[s] != nil }

// Fired returns how often a rule fires at a size.
func (t *Table) Fired(s Size, rule string) int { return t.fired[s][rule] }

// Check returns what was found otherwise than the table says, a text for each
// rule.
func (t *Table) Check(s Size, rules []fuse.RuleReport) []string {
	var wrong []string
	seen := map[string]bool{}
	for _, r := range rules {
		seen[r.Name] = true
		switch want := t.fired[s][r.Name]; {
		case r.Fired < want:
			wrong = append(wrong, fmt.Sprintf("%s fired %d times, was %d: %d lost", r.Name, r.Fired, want, want-r.Fired))
		case r.Fired > want:
			wrong = append(wrong, fmt.Sprintf("%s fired %d times, was %d: %d new", r.Name, r.Fired, want, r.Fired-want))
		}
	}
	for rule, want := range t.fired[s] {
		if !seen[rule] && want > 0 {
			wrong = append(wrong, fmt.Sprintf("%s did not run, was %d: %d lost", rule, want, want))
		}
	}
	slices.Sort(wrong)
	return wrong
}
