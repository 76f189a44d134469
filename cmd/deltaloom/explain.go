package main

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/deltaloom/deltaloom/fuse"
	"github.com/deltaloom/deltaloom/graph"
)

func explainCommand(c *common) *cobra.Command {
	var f sourceFlags
	var out format
	var rule string
	cmd := &cobra.Command{
		Use:   "explain [FILE | --model NAME | --graph TEXT] [NODE] [--rule NAME]",
		Short: "Say where each rule fired, and what kept it from firing elsewhere",
		Long: `Fuses a graph and says of each rule where it fired or, where it did not, how much
of its formula was there, what came first that is not as the formula has it, with
the line of the program or the text that made it, and what would make it match.

NODE selects by a part of a node's name: a scope such as blk.3, an op such as
sub, or both, "blk.3.gdn: sub". Canonical rules are explained by name only.`,
		Example: "  deltaloom explain blk.0 --rule gated-delta-net/step",
		Args:    cobra.MaximumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := out.check(); err != nil {
				return err
			}
			if err := checkRule(c, rule); err != nil {
				return err
			}
			file, node, err := fileAndNode(args, f.model != "" || f.graph != "")
			if err != nil {
				return err
			}
			s, err := f.open(cmd, file, c.seed)
			if err != nil {
				return err
			}
			defer s.close()
			g, err := s.build(f.tokens, f.seqs)
			if err != nil {
				return err
			}
			attempts, err := fuse.Explain(g, c.rules.options, rule, node)
			if err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
			return out.print(cmd.OutOrStdout(), explainPage(s.name, attempts, rule, node, c.verbose))
		},
	}
	f.flags(cmd)
	out.flag(cmd)
	cmd.Flags().StringVar(&rule, "rule", "", "rule `NAME` only")
	return cmd
}

func checkRule(c *common, rule string) error {
	if c.rules.off {
		return misused("--fuse off: nothing to explain")
	}
	if rule == "" {
		return nil
	}
	var names []string
	for _, r := range fuse.Default() {
		names = append(names, r.Name)
	}
	if !slices.Contains(names, rule) {
		return misused("--rule: no rule %q%s", rule, didYouMean(rule, names))
	}
	return nil
}

// fileAndNode tells the arguments apart. One alone is a file where it names one,
// and a node where the graph is given otherwise or the built-in one is meant.
func fileAndNode(args []string, given bool) (file, node string, err error) {
	switch {
	case len(args) == 2 && given:
		return "", "", misused("want one of FILE, --model and --graph")
	case len(args) == 2:
		return args[0], args[1], nil
	case len(args) == 0:
		return "", "", nil
	}
	if _, err := os.Stat(args[0]); !given && (err == nil || strings.HasSuffix(args[0], ".gguf")) {
		return args[0], "", nil
	}
	return "", args[0], nil
}

// explained is what stands for attempts that went alike in several layers.
type explained struct {
	Rule    string   `json:"rule"`
	Nodes   []string `json:"nodes"` // with the shape where the match begins
	Fired   bool     `json:"fired"`
	Matched int      `json:"matched,omitempty"`
	Of      int      `json:"of,omitempty"`
	Miss    string   `json:"miss,omitempty"`
	Hint    string   `json:"hint,omitempty"` // what would make it match
}

var number = regexp.MustCompile(`\d+`)

// alike puts attempts together that differ in the numbers of their layers only.
func alike(attempts []fuse.Attempt) []*explained {
	type key struct {
		rule, node, miss string
		fired            bool
		matched, of      int
	}
	groups := map[key]*explained{}
	list := []*explained{}
	for _, a := range attempts {
		if a.Fired { // what went wrong at other sizes before is no matter
			a.Matched, a.Of, a.Miss, a.Hint = 0, 0, "", ""
		}
		node := fmt.Sprintf("%s %v", graph.Label(a.Node), a.Node.Out(0).Shape())
		k := key{a.Rule.Name, number.ReplaceAllString(node, "N"), number.ReplaceAllString(a.Miss, "N"), a.Fired, a.Matched, a.Of}
		if groups[k] == nil {
			groups[k] = &explained{Rule: a.Rule.Name, Fired: a.Fired, Matched: a.Matched, Of: a.Of, Miss: a.Miss, Hint: a.Hint}
			list = append(list, groups[k])
		}
		groups[k].Nodes = append(groups[k].Nodes, node)
	}
	return list
}

// maxMisses is how many near misses are printed unless all are asked for.
const maxMisses = 12

func explainPage(model string, attempts []fuse.Attempt, rule, node string, all bool) *page {
	list := alike(attempts)
	p := &page{json: list, csv: &grid{head: []string{"rule", "node", "fired", "matched", "of", "miss", "hint"}}}
	fired := &grid{title: "Fired", head: []string{"rule", "times", "at"}}
	var misses []*explained
	for _, e := range list {
		for _, n := range e.Nodes {
			p.csv.add(e.Rule, n, e.Fired, e.Matched, e.Of, e.Miss, e.Hint)
		}
		if e.Fired {
			fired.add(e.Rule, len(e.Nodes), e.at())
		} else {
			misses = append(misses, e)
		}
	}
	p.say("%s", explainTitle(model, rule, node))
	p.show(fired)
	for i, e := range misses {
		if i == maxMisses && !all {
			break
		}
		if i == 0 {
			p.say("Did not fire: the nearest misses")
		}
		p.say("%s", e.missed())
	}
	if more := len(misses) - maxMisses; more > 0 && !all {
		p.say("%s further off are not shown; --verbose shows them.", plural(more, "place"))
	}
	if len(list) == 0 {
		p.say("No rule found a node to begin at.")
	}
	return p
}

// missed says like a compiler what is wrong at which line.
func (e *explained) missed() string {
	s := fmt.Sprintf("%s at %s: %d of %d nodes agree\n  %s", e.Rule, e.at(), e.Matched, e.Of, e.Miss)
	if e.Hint != "" {
		s += "\n  hint: " + e.Hint
	}
	return s
}

func (e *explained) at() string {
	if len(e.Nodes) == 1 {
		return e.Nodes[0]
	}
	return fmt.Sprintf("%s and %s", e.Nodes[0], plural(len(e.Nodes)-1, "other"))
}

func explainTitle(model, rule, node string) string {
	t := model
	if rule != "" {
		t += ", rule " + rule
		for _, r := range fuse.Default() {
			if r.Name == rule {
				t += "\n" + r.Doc
			}
		}
	}
	if node != "" {
		t += fmt.Sprintf("\nNodes with %q in their name", node)
	}
	return t
}
