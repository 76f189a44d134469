package main

import (
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/deltaloom/deltaloom"
)

// common is what every command takes.
type common struct {
	backend string
	threads int
	fuse    string
	seed    uint64
	quiet   bool
	verbose bool

	rules selection    // of fuse
	log   *slog.Logger // to stderr
}

func newRoot() *cobra.Command {
	c := &common{}
	root := &cobra.Command{
		Use:   "deltaloom",
		Short: "Fuses the compute graphs of delta-net language models, explains it, and proves it",
		Long: `deltaloom builds the compute graph of a language model, finds the delta nets in
it, makes each of them one node, and shows that the answer stays the same.

Data goes to stdout, everything else to stderr. Exit codes: 0 fine, 1 a check did
not hold, 2 wrong usage or unreadable input, 3 not supported.`,
		Example:           "  deltaloom fuse",
		SilenceUsage:      true,
		SilenceErrors:     true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return c.prepare(cmd.ErrOrStderr()) },
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usage{err} })
	f := root.PersistentFlags()
	f.StringVar(&c.backend, "backend", "auto", "run on `NAME`: "+strings.Join(deltaloom.Backends(), ", "))
	f.IntVarP(&c.threads, "threads", "t", 0, "`N` processors used at once (default all)")
	f.StringVar(&c.fuse, "fuse", "on", "on, off, `RULE`,… (only these and the canonical ones) or -RULE,… (all but these)")
	f.Uint64Var(&c.seed, "seed", 1, "seed `N` for everything random")
	f.BoolVarP(&c.quiet, "quiet", "q", false, "nothing on stderr but errors")
	f.BoolVarP(&c.verbose, "verbose", "v", false, "more on stderr, and longer lists")
	root.AddCommand(fuseCommand(c), explainCommand(c), verifyCommand(c), inspectCommand(c), modelsCommand(c), synthCommand(c), tokenizeCommand(c), benchCommand(c), runCommand(c))
	for _, cmd := range root.Commands() {
		args := cmd.Args
		cmd.Args = func(cmd *cobra.Command, have []string) error {
			if err := args(cmd, have); err != nil {
				return usage{err}
			}
			return nil
		}
	}
	root.Args = func(_ *cobra.Command, have []string) error {
		if len(have) == 0 {
			return nil
		}
		var names []string
		for _, cmd := range root.Commands() {
			names = append(names, cmd.Name())
		}
		return misused("no command %q%s", have[0], didYouMean(have[0], names))
	}
	root.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	return root
}

// prepare checks the flags of all commands before any work is done.
func (c *common) prepare(stderr io.Writer) (err error) {
	level := slog.LevelInfo
	switch {
	case c.quiet && c.verbose:
		return misused("--quiet and --verbose exclude each other")
	case c.quiet:
		level = slog.LevelError
	case c.verbose:
		level = slog.LevelDebug
	}
	c.log = slog.New(&logHandler{w: stderr, level: level})
	if c.threads < 0 {
		return misused("--threads %d: want 1 or more", c.threads)
	}
	if c.threads > 0 {
		runtime.GOMAXPROCS(c.threads)
	}
	if !slices.Contains(deltaloom.Backends(), c.backend) {
		return misused("no backend %q%s", c.backend, didYouMean(c.backend, deltaloom.Backends()))
	}
	if c.rules, err = parseSelection(c.fuse); err != nil {
		return err
	}
	backend, err := deltaloom.NewBackend(c.backend, c.threads, deltaloom.FloatActivations)
	if err != nil {
		return err
	}
	return backend.Close()
}

// options are those of a model that these flags ask for.
func (c *common) options() deltaloom.Options {
	return deltaloom.Options{Backend: c.backend, Threads: c.threads, Fuse: c.rules.options, Unfused: c.rules.off, Log: c.log}
}

// didYouMean lists the names nearest to one that is not there, all of them
// where none is near.
func didYouMean(name string, names []string) string {
	var near []string
	for _, n := range names {
		if strings.Contains(n, name) || distance(n, name) <= 1+len(name)/4 {
			near = append(near, n)
		}
	}
	if len(near) == 0 {
		return fmt.Sprintf(" (known: %s)", strings.Join(names, ", "))
	}
	slices.SortStableFunc(near, func(a, b string) int { return distance(a, name) - distance(b, name) })
	return fmt.Sprintf(" (near: %s)", strings.Join(near[:min(len(near), 3)], ", "))
}

// distance counts the letters to insert, drop or change to get from a to b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
