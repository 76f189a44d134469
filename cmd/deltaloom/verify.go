package main

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/deltaloom/deltaloom"
	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/internal/reference"
)

// verifyCall is one call of the command verify.
type verifyCall struct {
	*common
	out         format
	logits      string
	against     string
	mode        string
	activations string
	maxNMSE     float64
	maxGiven    bool
	ubatch      int
	tokens      int
}

func verifyCommand(c *common) *cobra.Command {
	v := &verifyCall{common: c}
	cmd := &cobra.Command{
		Use:   "verify FILE [--logits REF.bin] [--against unfused|interp]",
		Short: "Hold the logits of a model to a reference",
		Long: `Evaluates tokens and compares the logits with those that another program
computed (--logits: little-endian int32 T, int32 V, int32 token[T], float32
logits[T][V]), or with our own: unfused on the same backend, or interp, the
reference backend, unfused. With --logits and --against the file gives the tokens
only; with neither, seeded tokens are compared with unfused.

The answer must be within --max-nmse, NMSE = Σ(a-b)²/Σa². Without it the limit
is that of the file's types: 1e-11 and every argmax the same for f32; 2e-3 and 96
of 100 for others where both sides round what meets a quantised weight alike: with
--activations ggml as llama.cpp does, or with cpu as our own CPU backend does,
against ourselves; 2e-2 and 80 of 100 with float; 3e-2 and 70 of 100 with cpu
against another program.`,
		Example: "  deltaloom verify model.gguf --logits model.prefill.bin --activations ggml",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := v.checkFlags(cmd); err != nil {
				return err
			}
			return v.run(cmd, args[0])
		},
	}
	f := cmd.Flags()
	v.out.flag(cmd)
	f.StringVar(&v.logits, "logits", "", "compare with `FILE` of tokens and logits")
	f.StringVar(&v.against, "against", "", "compare with `NAME` of our own: unfused, interp")
	f.StringVar(&v.mode, "mode", "prefill", "evaluate by `MODE` prefill, or decode: token by token")
	f.StringVar(&v.activations, "activations", string(deltaloom.FloatActivations), "take activations as `KIND` float, or rounded to 8 bits: ggml as llama.cpp does, cpu as the backend cpu does")
	f.Float64Var(&v.maxNMSE, "max-nmse", 0, "hold the logits to `X` (default by the types of the file)")
	f.IntVar(&v.ubatch, "ubatch", 0, "at most `N` tokens a step (default 512)")
	f.IntVar(&v.tokens, "tokens", 96, "`N` seeded tokens, without --logits")
	return cmd
}

func (v *verifyCall) checkFlags(cmd *cobra.Command) error {
	oneOf := func(flag, value string, want ...string) error {
		if slices.Contains(want, value) {
			return nil
		}
		last := len(want) - 1
		return misused("--%s %q: want %s or %s", flag, value, strings.Join(want[:last], ", "), want[last])
	}
	v.maxGiven = cmd.Flags().Changed("max-nmse")
	switch {
	case v.against != "" && oneOf("against", v.against, "unfused", "interp") != nil:
		return oneOf("against", v.against, "unfused", "interp")
	case v.ubatch < 0 || v.tokens < 1:
		return misused("--ubatch %d --tokens %d: want 1 or more", v.ubatch, v.tokens)
	case v.logits != "" && cmd.Flags().Changed("tokens"):
		return misused("--tokens: the file of --logits says how many")
	case v.maxGiven && !(v.maxNMSE >= 0):
		return misused("--max-nmse %g: want 0 or more", v.maxNMSE)
	}
	if err := oneOf("mode", v.mode, "prefill", "decode"); err != nil {
		return err
	}
	if err := oneOf("activations", v.activations, string(deltaloom.FloatActivations), string(deltaloom.GGMLActivations), string(deltaloom.CPUActivations)); err != nil {
		return err
	}
	if v.logits == "" && v.against == "" {
		v.against = "unfused"
	}
	return v.out.check()
}

// verified is the result; JSON has its fields.
type verified struct {
	NMSE       measure `json:"nmse"`
	MaxAbs     measure `json:"max_abs"`
	ArgmaxSame int     `json:"argmax_same"`
	Tokens     int     `json:"tokens"`
	Backend    string  `json:"backend"`
	Fuse       string  `json:"fuse"`
	Mode       string  `json:"mode"`
	DeltaNets  int     `json:"delta_nets"` // fused, in the graph that has fewest
}

func (v *verifyCall) run(cmd *cobra.Command, path string) error {
	o := v.options()
	o.Activations = deltaloom.Activations(v.activations)
	m, err := deltaloom.Open(path, o)
	if err != nil {
		return err
	}
	defer m.Close()
	ref, err := v.reference(cmd.Context(), m, path, o)
	if err != nil {
		return err
	}
	got, err := v.evaluate(cmd.Context(), m, ref.Tokens)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	d := reference.Compare(ref.F, got)
	r := verified{NMSE: measure(d.NMSE), MaxAbs: measure(d.MaxAbs), ArgmaxSame: reference.ArgmaxSame(ref.F, got, ref.Vocab),
		Tokens: len(ref.Tokens), Backend: m.Backend(), Fuse: v.fuse, Mode: v.mode, DeltaNets: math.MaxInt}
	for _, p := range m.Programs() {
		r.DeltaNets = min(r.DeltaNets, p.Report.DeltaNets)
	}
	limit := v.limit(m)
	err = limit.check(r)
	if perr := v.out.print(cmd.OutOrStdout(), v.page(m, path, r, limit, err)); perr != nil {
		return perr
	}
	return err
}

// reference returns the tokens and the logits that are wanted.
func (v *verifyCall) reference(ctx context.Context, m *deltaloom.Model, path string, o deltaloom.Options) (*reference.Logits, error) {
	c := m.Config()
	ref := &reference.Logits{Vocab: c.Vocab}
	if v.logits != "" {
		var err error
		if ref, err = reference.Read(v.logits); err != nil {
			return nil, err
		}
		if ref.Vocab != c.Vocab {
			return nil, fmt.Errorf("%s: logits of %d tokens, but %s has a vocabulary of %d", v.logits, ref.Vocab, path, c.Vocab)
		}
	} else {
		ref.Tokens = randomTokens(v.tokens, c.Vocab, rand.New(rand.NewPCG(v.seed, 0)))
	}
	if v.against == "" {
		return ref, nil
	}
	o.Unfused = true
	if v.against == "interp" {
		o.Backend = "interp"
	}
	other, err := deltaloom.Open(path, o)
	if err != nil {
		return nil, err
	}
	defer other.Close()
	v.log.Debug("reference run", "against", v.against, "tokens", len(ref.Tokens))
	ref.F, err = v.evaluate(ctx, other, ref.Tokens)
	if err != nil {
		return nil, fmt.Errorf("%s: %s: %w", path, v.against, err)
	}
	return ref, nil
}

// evaluate returns the logits of all tokens [T vocab].
func (v *verifyCall) evaluate(ctx context.Context, m *deltaloom.Model, tokens []int32) ([]float32, error) {
	s, err := m.NewSession(deltaloom.SessionOptions{Context: len(tokens), UBatch: v.ubatch})
	if err != nil {
		return nil, err
	}
	defer s.Close()
	seq, err := s.Begin()
	if err != nil {
		return nil, err
	}
	each := len(tokens)
	if v.mode == "decode" {
		each = 1
	}
	var all []float32
	for at := 0; at < len(tokens); at += each {
		out, err := s.Eval(ctx, deltaloom.AllRows, deltaloom.Next{Seq: seq, Tokens: tokens[at : at+each]})
		if err != nil {
			return nil, fmt.Errorf("token %d: %w", at, err)
		}
		all = append(all, out[0].F...)
	}
	return all, nil
}

// limit is how close the answer has to be.
type limit struct {
	nmse   float64
	argmax float64 // share of tokens with the same argmax
	why    string
}

// limit returns that of the call, else that of the file's types. What we compute
// ourselves, without rounding, must agree whatever the types are.
func (v *verifyCall) limit(m *deltaloom.Model) limit {
	exact := true
	for _, dt := range m.Config().Types {
		exact = exact && dt == graph.F32
	}
	kind := deltaloom.Activations(v.activations)
	float := kind == deltaloom.FloatActivations && m.Backend() == "interp" // others round in their kernels
	switch {
	case v.maxGiven:
		return limit{v.maxNMSE, 0, "--max-nmse"}
	case exact:
		return limit{1e-11, 1, "f32 weights"}
	case v.against != "" && float:
		return limit{1e-11, 1, "the same weights, activations not rounded"}
	case v.against != "" || kind == deltaloom.GGMLActivations:
		return limit{2e-3, 0.96, "quantised weights, activations rounded on both sides"}
	case float:
		return limit{2e-2, 0.80, "quantised weights, activations not rounded"}
	}
	return limit{3e-2, 0.70, "quantised weights, activations rounded otherwise than in the reference"}
}

func (l limit) check(r verified) error {
	switch {
	case !(float64(r.NMSE) <= l.nmse):
		return failed("NMSE %.3g, want at most %g (%s)", float64(r.NMSE), l.nmse, l.why)
	case float64(r.ArgmaxSame) < l.argmax*float64(r.Tokens):
		return failed("argmax the same on %d of %d tokens, want %.0f%% (%s)", r.ArgmaxSame, r.Tokens, 100*l.argmax, l.why)
	}
	return nil
}

func (v *verifyCall) page(m *deltaloom.Model, path string, r verified, l limit, failure error) *page {
	p := &page{json: r, csv: &grid{
		head: []string{"nmse", "max_abs", "argmax_same", "tokens", "backend", "fuse", "mode", "delta_nets"},
		rows: [][]any{{float64(r.NMSE), float64(r.MaxAbs), r.ArgmaxSame, r.Tokens, r.Backend, r.Fuse, r.Mode, r.DeltaNets}}}}
	what := "ours, " + v.against
	if v.against == "" {
		what = filepath.Base(v.logits)
	}
	verdict := "holds"
	if failure != nil {
		verdict = "DOES NOT HOLD"
	}
	p.say("%s against %s: %s", filepath.Base(path), what, verdict)
	g := &grid{head: []string{"", "have", "want"}}
	g.add("NMSE", right(scientific(float64(r.NMSE))), right(fmt.Sprintf("≤ %g", l.nmse)))
	g.add("largest difference", right(scientific(float64(r.MaxAbs))), "")
	g.add("argmax the same", right(fmt.Sprintf("%d of %d", r.ArgmaxSame, r.Tokens)), right(fmt.Sprintf("≥ %.0f%%", 100*l.argmax)))
	g.add("delta nets fused", right(fmt.Sprintf("%d of %d", r.DeltaNets, m.Config().RecurrentLayers())), "")
	p.show(g)
	p.say("%s of %s on %s, fuse %s; limits: %s", v.mode, plural(r.Tokens, "token"), r.Backend, r.Fuse, l.why)
	return p
}
