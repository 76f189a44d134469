package main

import (
	"strings"

	"github.com/deltaloom/deltaloom/fuse"
)

// selection says which rules run.
type selection struct {
	off     bool // none, the canonical ones neither
	options fuse.Options
}

// parseSelection reads on, off, RULE,… (only these and the canonical ones) or
// -RULE,… (all but these).
func parseSelection(text string) (selection, error) {
	switch text {
	case "on":
		return selection{}, nil
	case "off":
		return selection{off: true}, nil
	}
	var names []string
	for _, r := range fuse.Default() {
		names = append(names, r.Name)
	}
	only, without := map[string]bool{}, map[string]bool{}
	for _, item := range strings.Split(text, ",") {
		name, minus := strings.CutPrefix(strings.TrimSpace(item), "-")
		found := false
		for _, n := range names {
			found = found || n == name
		}
		switch {
		case name == "":
			return selection{}, misused("--fuse %q: want on, off, or names of rules", text)
		case !found:
			return selection{}, misused("--fuse: no rule %q%s", name, didYouMean(name, names))
		case minus:
			without[name] = true
		default:
			only[name] = true
		}
	}
	if len(only) > 0 {
		for _, r := range fuse.Default() {
			if r.Stage != fuse.Canon && !only[r.Name] {
				without[r.Name] = true
			}
		}
	}
	return selection{options: fuse.Options{Disable: without}}, nil
}
