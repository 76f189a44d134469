package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/deltaloom/deltaloom/fuse"
	"github.com/deltaloom/deltaloom/graph"
)

// fuseJSON is what scripts read; see the command's documentation.
type fuseJSON struct {
	Model   string     `json:"model"`
	Tokens  int        `json:"tokens"`
	Seqs    int        `json:"seqs"`
	Before  countsJSON `json:"before"`
	After   afterJSON  `json:"after"`
	Rules   []ruleJSON `json:"rules"`
	Check   *checked   `json:"check"` // null where there are no weights
	Seconds float64    `json:"seconds"`
}

type countsJSON struct {
	Nodes   int            `json:"nodes"`
	Compute int            `json:"compute_nodes"`
	Ops     map[string]int `json:"ops"`
}

type afterJSON struct {
	countsJSON
	DeltaNets int `json:"delta_nets"`
}

type ruleJSON struct {
	Name    string         `json:"name"`
	Tried   int            `json:"tried"`
	Fired   int            `json:"fired"`
	Refused []fuse.Refusal `json:"refused"`
}

func (x *fused) json(model string, deltaNets int) fuseJSON {
	j := fuseJSON{Model: model, Tokens: x.Tokens, Seqs: x.Seqs, Check: x.check, Seconds: x.report.Seconds, Rules: []ruleJSON{},
		Before: countsJSON{x.was.Nodes, x.was.Compute, x.was.Ops},
		After:  afterJSON{countsJSON{x.is.Nodes, x.is.Compute, x.is.Ops}, deltaNets}}
	for _, r := range x.report.Rules {
		j.Rules = append(j.Rules, ruleJSON{r.Name, r.Tried, r.Fired, append([]fuse.Refusal{}, r.Refused...)})
	}
	return j
}

// fusePage is the report: what was found, then counts, then rules.
func fusePage(f *fuseCall, s *source, all []*fused) *page {
	p := &page{json: all[0].json(s.name, f.deltaNets(all[0])), csv: baselineGrid(s.name, all)}
	p.say("%s", f.title(s))
	p.say("%s", f.found(all))
	p.show(f.counts(all))
	for _, x := range all {
		if x.checkErr != nil {
			p.say("Not run: %v", x.checkErr)
		}
	}
	p.show(opsGrid(all))
	p.show(f.rulesGrid(all))
	p.show(refusedGrid(all))
	if idle := idleRules(all); len(idle) > 0 && f.verbose {
		p.say("Rules that found nothing to look at: %s.", strings.Join(idle, ", "))
	}
	if f.layer != allLayers {
		x := all[0]
		if f.verbose {
			p.say("Layer %d before:\n\n%s", f.layer, indented(listLayer(x.before, f.layer, true)))
		}
		p.say("Layer %d after:\n\n%s", f.layer, indented(listLayer(x.after, f.layer, f.verbose)))
	}
	return p
}

// indented makes text a block of code in md, and set off in text.
func indented(text string) string {
	return "    " + strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n    ")
}

func (f *fuseCall) title(s *source) string {
	t := s.name
	if c := s.config; c != nil {
		t += fmt.Sprintf(", %s: %s, %d of them recurrent", c.Arch, plural(c.Layers, "layer"), c.RecurrentLayers())
	}
	if s.about != "" {
		t += ", " + s.about
	}
	if f.layer != allLayers {
		t += fmt.Sprintf(" (layer %d alone)", f.layer)
	}
	return t
}

// deltaNets counts the recurrences that are one node.
func (f *fuseCall) deltaNets(x *fused) int {
	n := 0
	for _, node := range x.after.Nodes() {
		if inLayer(node, f.layer) {
			n += fuse.DeltaNets(node)
		}
	}
	return n
}

// found is the sentence that a reader came for.
func (f *fuseCall) found(all []*fused) string {
	if f.rules.off {
		return "Fusion is off."
	}
	n := f.deltaNets(all[0])
	same := true
	for _, x := range all {
		same = same && f.deltaNets(x) == n
	}
	var parts []string
	for _, x := range all {
		n, where := f.deltaNets(x), ""
		if !same {
			where = " in a step of " + x.label()
		}
		switch n {
		case 0:
			if f.layer != allLayers {
				where = " in this layer" + where
			}
			parts = append(parts, "No delta net found"+where+".")
		case 1:
			parts = append(parts, "1 delta net found"+where+": it is one node now.")
		default:
			parts = append(parts, fmt.Sprintf("%d delta nets found%s: each is one node now.", n, where))
		}
		if same {
			break
		}
	}
	if gone := goneOps(all); n > 0 && len(gone) > 0 {
		parts = append(parts, fmt.Sprintf("No node is left of: %s.", strings.Join(gone, ", ")))
	}
	return strings.Join(parts, " ")
}

// goneOps are the ops that some size had and none has left.
func goneOps(all []*fused) []string {
	gone := map[string]bool{}
	for _, x := range all {
		for op := range x.was.Ops {
			gone[op] = true
		}
	}
	for _, x := range all {
		for op := range x.is.Ops {
			delete(gone, op)
		}
	}
	return slices.Sorted(maps.Keys(gone))
}

func (x *fused) label() string {
	switch {
	case x.Tokens == 0:
		return ""
	case x.Seqs > 1:
		return fmt.Sprintf("%s of %s each", plural(x.Seqs, "sequence"), plural(x.Tokens, "token"))
	}
	return plural(x.Tokens, "token")
}

// sideHead is the head of a table with two columns a size.
func sideHead(first string, all []*fused) []string {
	head := []string{first}
	for _, x := range all {
		before := x.label()
		if before == "" {
			before = "before"
		}
		head = append(head, before, "fused")
	}
	return head
}

func (f *fuseCall) counts(all []*fused) *grid {
	g := &grid{head: sideHead("", all)}
	both := func(name string, of func(graph.Stats) any) {
		row := []any{name}
		for _, x := range all {
			row = append(row, of(x.was), of(x.is))
		}
		g.add(row...)
	}
	both("compute nodes", func(s graph.Stats) any { return count(s.Compute) })
	both("nodes, with views and leaves", func(s graph.Stats) any { return count(s.Nodes) })
	both("bytes read and written", func(s graph.Stats) any { return byteSize(s.Bytes) })
	one := func(name string, of func(*fused) any) {
		row := []any{name}
		some := false
		for _, x := range all {
			v := of(x)
			some = some || v != nil
			if v == nil {
				v = ""
			}
			row = append(row, "", v)
		}
		if some {
			g.add(row...)
		}
	}
	one("time to fuse", func(x *fused) any { return right(fmt.Sprintf("%.1f ms", 1000*x.report.Seconds)) })
	one("NMSE between both sides", func(x *fused) any {
		if x.check == nil {
			return nil
		}
		return right(fmt.Sprintf("%.2g", float64(x.check.NMSE)))
	})
	one("largest difference", func(x *fused) any {
		if x.check == nil {
			return nil
		}
		return right(fmt.Sprintf("%.2g", float64(x.check.MaxAbs)))
	})
	return g
}

// opsGrid counts compute nodes by op, those that fusing changed first.
func opsGrid(all []*fused) *grid {
	names := map[string]bool{}
	changed := map[string]int{}
	for _, x := range all {
		for _, ops := range []map[string]int{x.was.Ops, x.is.Ops} {
			for op := range ops {
				names[op] = true
			}
		}
	}
	for op := range names {
		for _, x := range all {
			d := x.was.Ops[op] - x.is.Ops[op]
			changed[op] += max(d, -d)
		}
	}
	order := slices.Sorted(maps.Keys(names))
	slices.SortStableFunc(order, func(a, b string) int { return changed[b] - changed[a] })
	g := &grid{title: "Compute nodes by op", head: sideHead("op", all)}
	for _, op := range order {
		row := []any{op}
		for _, x := range all {
			row = append(row, blankZero(x.was.Ops[op]), blankZero(x.is.Ops[op]))
		}
		g.add(row...)
	}
	return g
}

func blankZero(n int) any {
	if n == 0 {
		return right("·")
	}
	return count(n)
}

// rulesGrid lists the rules that had something to look at, the canonical ones
// last.
func (f *fuseCall) rulesGrid(all []*fused) *grid {
	g := &grid{title: "Rules", head: []string{"rule"}}
	if f.layer != allLayers {
		g.title += ", in all layers"
	}
	for _, x := range all {
		label := x.label()
		if label != "" {
			label += ": "
		}
		g.head = append(g.head, label+"tried", "fired", "refused")
	}
	canon := fuse.Canon.String()
	rules := all[0].report.Rules
	order := make([]int, len(rules))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return b2i(rules[a].Stage == canon) - b2i(rules[b].Stage == canon) })
	for _, i := range order {
		row, tried := []any{rules[i].Name}, 0
		for _, x := range all {
			r := x.report.Rules[i]
			refused := 0
			for _, why := range r.Refused {
				refused += why.Count
			}
			tried += r.Tried + r.Fired + refused
			row = append(row, blankZero(r.Tried), blankZero(r.Fired), blankZero(refused))
		}
		if tried > 0 {
			g.add(row...)
		}
	}
	return g
}

func idleRules(all []*fused) []string {
	var idle []string
	for i, r := range all[0].report.Rules {
		tried := 0
		for _, x := range all {
			tried += x.report.Rules[i].Tried + x.report.Rules[i].Fired + len(x.report.Rules[i].Refused)
		}
		if tried == 0 {
			idle = append(idle, r.Name)
		}
	}
	return idle
}

// refusedGrid lists reasons, once for layers that differ in their number only.
func refusedGrid(all []*fused) *grid {
	g := &grid{title: "Refused", head: []string{"rule", "times", "first at", "because"}}
	type key struct{ rule, node, reason string }
	rows := map[key]int{}
	for _, x := range all {
		for _, r := range x.report.Rules {
			for _, why := range r.Refused {
				k := key{r.Name, number.ReplaceAllString(why.Node, "N"), number.ReplaceAllString(why.Reason, "N")}
				if i, had := rows[k]; had {
					g.rows[i][1] = g.rows[i][1].(int) + why.Count
					continue
				}
				rows[k] = len(g.rows)
				g.add(r.Name, why.Count, why.Node, why.Reason)
			}
		}
	}
	return g
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}
