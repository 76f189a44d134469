package sched_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/runtime/sched"
)

var update = flag.Bool("update", false, "write the golden files")

// TestPlans holds the plans of testdata/plans to their text. A file is
//
//	# what it shows
//	backends: dev-softmax interp
//	(the graph)
//	---
//	(the plan)
//
// where dev is a device with memory of its own and every other name a host
// backend, each without the ops that follow a minus.
func TestPlans(t *testing.T) {
	files, err := filepath.Glob("testdata/plans/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no plans", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			text, want, _ := strings.Cut(string(data), "---\n")
			got := planText(t, text)
			if *update {
				if err := os.WriteFile(file, []byte(text+"---\n"+got), 0o666); err != nil {
					t.Fatal(err)
				}
			} else if got != want {
				t.Errorf("have\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func planText(t *testing.T, text string) string {
	t.Helper()
	var backends []sched.Backend
	var lines []string
	for line := range strings.Lines(text) {
		names, ok := strings.CutPrefix(line, "backends: ")
		if !ok {
			lines = append(lines, line)
			continue
		}
		for _, word := range strings.Fields(names) {
			refuses := strings.Split(word, "-")
			if refuses[0] == "dev" {
				backends = append(backends, newDevice(refuses[0], refuses[1:]...))
			} else {
				backends = append(backends, newPicky(refuses[0], refuses[1:]...))
			}
		}
	}
	g, err := graph.Parse(strings.Join(lines, ""))
	if err != nil {
		t.Fatal(err)
	}
	p, err := sched.NewPlan(g, backends...)
	if err != nil {
		if !errors.Is(err, errors.ErrUnsupported) {
			t.Error("the error does not wrap errors.ErrUnsupported")
		}
		return fmt.Sprintf("error %v\n", err)
	}
	if err := checkMemory(p); err != nil {
		t.Errorf("%v in\n%v", err, p)
	}
	return p.String()
}
