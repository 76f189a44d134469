package main

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/deltaloom/deltaloom/gguf"
	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/interop/ggml"
	"github.com/deltaloom/deltaloom/models"
	"github.com/deltaloom/deltaloom/ops"
)

// builtIn is the model of a call that names none.
const builtIn = "qwen3.5-tiny"

// sourceFlags say where a graph comes from.
type sourceFlags struct {
	model, graph, format, weights string
	tokens, seqs                  int
}

func (f *sourceFlags) flags(cmd *cobra.Command) {
	s := cmd.Flags()
	s.StringVar(&f.model, "model", "", "the built-in shape table `NAME` (see: deltaloom models), shapes only")
	s.StringVar(&f.graph, "graph", "", "a graph as text from `FILE`, - for stdin")
	s.StringVar(&f.format, "format", "ir", "the text is in `FORM` ir or ggml")
	s.StringVar(&f.weights, "weights", "", "the weights of --model or --graph from GGUF `FILE`")
	s.IntVar(&f.tokens, "tokens", 1, "`N` tokens of a sequence in one step")
	s.IntVar(&f.seqs, "seqs", 1, "`N` sequences in one step")
}

// source is where graphs come from: a model of which steps of any size can be
// built, or one graph as text.
type source struct {
	name    string
	about   string         // where the weights come from
	config  *models.Config // nil for a graph as text
	text    *graph.Graph   // nil for a model
	foreign *ggml.Graph    // where the text came from, if it is in that form
	weights models.Source  // nil where there are none at hand
	files   []*gguf.File
}

// open opens what the flags name, or the file, or the built-in model.
func (f *sourceFlags) open(cmd *cobra.Command, file string, seed uint64) (s *source, err error) {
	named := 0
	for _, name := range []string{file, f.model, f.graph} {
		if name != "" {
			named++
		}
	}
	flags := cmd.Flags()
	switch {
	case named > 1:
		return nil, misused("want one of FILE, --model and --graph")
	case f.tokens < 1 || f.seqs < 1:
		return nil, misused("--tokens %d --seqs %d: want 1 or more", f.tokens, f.seqs)
	case f.graph != "" && (flags.Changed("tokens") || flags.Changed("seqs")):
		return nil, misused("--graph: the text says how many tokens and sequences there are")
	case f.graph == "" && flags.Changed("format"):
		return nil, misused("--format is of --graph")
	case f.weights != "" && f.model == "" && f.graph == "":
		return nil, misused("--weights are those of --model or --graph")
	}
	s = &source{}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	switch {
	case f.graph != "":
		err = s.openText(cmd.InOrStdin(), f.graph, f.format)
	case f.model != "":
		s.name = f.model
		s.config, err = models.ByName(f.model)
	case file != "":
		err = s.openModel(file)
	default:
		s.name, s.about = builtIn, fmt.Sprintf("random weights of seed %d", seed)
		if s.config, err = models.ByName(builtIn); err == nil {
			s.weights = models.Synthetic(s.config, seed)
		}
	}
	if err == nil && f.weights != "" {
		var w *gguf.File
		if w, err = s.openFile(f.weights); err == nil {
			s.weights, s.about = models.FileWeights(w), "weights of "+filepath.Base(f.weights)
			if s.foreign != nil { // whose texts count axes of extent 1 otherwise
				s.weights = s.foreign.Source(s.weights)
			}
		}
	}
	return s, err
}

func (s *source) openFile(path string) (*gguf.File, error) {
	f, err := gguf.Open(path)
	if err == nil {
		s.files = append(s.files, f)
	}
	return f, err
}

func (s *source) openModel(path string) error {
	f, err := s.openFile(path)
	if err != nil {
		return err
	}
	if s.config, err = models.FromGGUF(f); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	s.name, s.about, s.weights = printable(s.config.Name), "weights of "+filepath.Base(path), models.FileWeights(f)
	if s.name == "" {
		s.name = filepath.Base(path)
	}
	return nil
}

func (s *source) openText(stdin io.Reader, path, format string) error {
	if format != "ir" && format != "ggml" {
		return misused("--format %q: want ir or ggml", format)
	}
	in := stdin
	if path == "-" {
		path = "stdin"
	} else {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		in = f
	}
	var err error
	if format == "ggml" {
		if s.foreign, err = ggml.Parse(in); err == nil {
			s.text = s.foreign.Graph()
		}
	} else {
		var data []byte
		if data, err = io.ReadAll(in); err == nil {
			s.text, err = graph.Parse(string(data))
		}
	}
	if err == nil {
		err = s.text.Verify()
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	s.name = filepath.Base(path)
	return nil
}

func (s *source) close() {
	for _, f := range s.files {
		f.Close()
	}
}

// step returns the size of a step with room for the second one of a check.
func (s *source) step(tokens, seqs int) models.Step {
	return models.Step{Tokens: tokens, Seqs: seqs, Context: (2*tokens + 255) / 256 * 256}
}

// build returns the unfused graph.
func (s *source) build(tokens, seqs int) (*graph.Graph, error) {
	if s.text != nil {
		return s.text, nil
	}
	return models.Build(s.config, s.step(tokens, seqs))
}

// feeds returns the inputs of the nth step of the graph.
func (s *source) feeds(g *graph.Graph, tokens, seqs, nth int, r *rand.Rand) (map[string]graph.Tensor, error) {
	switch {
	case s.foreign != nil:
		return s.foreign.Feeds(randomTokens(s.foreign.Tokens(), s.vocabulary(g), r))
	case s.text != nil:
		return invented(g, r), nil
	}
	batch := make([]models.Sequence, seqs)
	for b := range batch {
		batch[b] = models.Sequence{Slot: b, Start: nth * tokens, Tokens: randomTokens(tokens, s.config.Vocab, r)}
	}
	return s.step(tokens, seqs).Feeds(batch...)
}

// vocabulary is the tokens that a graph as text tells apart: the rows of the
// table that they look up.
func (s *source) vocabulary(g *graph.Graph) int {
	for _, n := range g.Nodes() {
		if n.Op() == ops.RowsOp && n.In(0).Node().Static() {
			return n.In(0).Shape().Dim(0)
		}
	}
	return 1
}

func randomTokens(n, vocab int, r *rand.Rand) []int32 {
	tokens := make([]int32, n)
	for i := range tokens {
		tokens[i] = int32(r.IntN(vocab))
	}
	return tokens
}

// invented are inputs of a graph about which nothing is known: normal numbers,
// and 0, 1, 2, … for integers, which may be rows that must not be equal.
func invented(g *graph.Graph, r *rand.Rand) map[string]graph.Tensor {
	feeds := map[string]graph.Tensor{}
	for _, n := range g.Nodes() {
		if n.Op() != graph.InputOp {
			continue
		}
		t := graph.NewTensor(n.Out(0).Shape())
		for i := range t.F {
			t.F[i] = float32(r.NormFloat64() / 2)
		}
		for i := range t.I {
			t.I[i] = int32(i)
		}
		feeds[n.Name()] = t
	}
	return feeds
}
