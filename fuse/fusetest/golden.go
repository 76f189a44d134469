package fusetest

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/deltaloom/deltaloom/fuse"
	"github.com/deltaloom/deltaloom/graph"
)

// Golden fuses the graph of each file that the glob matches and compares the text
// of what comes out with the rest of the file. A file is
//
//	# what it shows
//	expect: RULE            the rule fires once; expect: RULE 3, so many times
//	expect-not: RULE        it does not fire; expect-not: RULE: TEXT, and says why with this in it
//	disable: RULE           it does not run
//	GRAPH
//	---
//	GRAPH
//
// update writes the files' second graphs anew. The rules are the default ones and
// those given. Results must stay equal, as everywhere.
func Golden(t *testing.T, glob string, update bool, rules ...*fuse.Rule) {
	t.Helper()
	files, err := filepath.Glob(glob)
	if err != nil || len(files) == 0 {
		t.Fatalf("no files %s (%v)", glob, err)
	}
	all := fuse.Default()
	for _, r := range rules {
		all = with(r, all)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), filepath.Ext(file)), func(t *testing.T) {
			c, err := readGolden(file)
			if err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			have, err := c.check(all)
			if err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			switch {
			case have == c.want:
			case update:
				if err := os.WriteFile(file, []byte(c.head+separator+have), 0o666); err != nil {
					t.Fatal(err)
				}
			default:
				t.Errorf("%s gives\n%s", file, have)
			}
		})
	}
}

const separator = "---\n"

// golden is one file.
type golden struct {
	head    string // all before the separator
	input   string
	want    string
	fires   []firing
	disable map[string]bool
}

// firing is one line of what is expected.
type firing struct {
	rule  string
	times int
	why   string
}

func readGolden(file string) (*golden, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	c := &golden{disable: map[string]bool{}}
	c.head, c.want, _ = strings.Cut(string(text), separator)
	for line := range strings.Lines(c.head) {
		word, rest, _ := strings.Cut(strings.TrimSpace(line), ": ")
		switch word {
		case "expect":
			f := firing{rule: rest, times: 1}
			if name, times, ok := strings.Cut(rest, " "); ok {
				f.rule = name
				if f.times, err = strconv.Atoi(times); err != nil {
					return nil, err
				}
			}
			c.fires = append(c.fires, f)
		case "expect-not":
			f := firing{}
			f.rule, f.why, _ = strings.Cut(rest, ": ")
			c.fires = append(c.fires, f)
		case "disable":
			c.disable[rest] = true
		default:
			c.input += line
		}
	}
	return c, nil
}

// check fuses the input and returns the text of the result.
func (c *golden) check(rules []*fuse.Rule) (string, error) {
	g, err := graph.Parse(c.input)
	if err != nil {
		return "", err
	}
	ng, rep, err := fuse.Run(g, fuse.Options{Rules: rules, Disable: c.disable})
	if err != nil {
		return "", err
	}
	known := map[string]bool{}
	for _, r := range rules {
		known[r.Name] = true
	}
	for name := range c.disable {
		if !known[name] {
			return "", fmt.Errorf("no rule %q to disable", name)
		}
	}
	for _, f := range c.fires {
		r := about(rep, &fuse.Rule{Name: f.rule})
		switch {
		case !known[f.rule]:
			return "", fmt.Errorf("no rule %q", f.rule)
		case r.Fired != f.times:
			return "", fmt.Errorf("%s fired %d times, want %d: %v\n%v", f.rule, r.Fired, f.times, r.Refused, ng)
		case f.why != "" && !strings.Contains(fmt.Sprint(r.Refused), f.why):
			return "", fmt.Errorf("%s does not say %q: %v", f.rule, f.why, r.Refused)
		}
	}
	return ng.String(), same(g, ng, 1, 2, 3)
}
