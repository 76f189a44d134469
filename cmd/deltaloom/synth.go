package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/deltaloom/deltaloom/gguf"
	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/models"
	"github.com/deltaloom/deltaloom/quant"
)

// synthCall is one call of the command synth.
type synthCall struct {
	*common
	model, dtype, path, vocab string
}

func synthCommand(c *common) *cobra.Command {
	s := &synthCall{common: c}
	cmd := &cobra.Command{
		Use:   "synth --model NAME --type TYPE -o FILE",
		Short: "Write a GGUF file with real shapes and random weights",
		Long: `Writes a model in GGUF: the shapes of a built-in table, weights of seeded random
numbers that behave like trained ones. All matrices are of the type, embedding and
head included; norms, convolution taps, routers and the like are f32, and matrices
whose rows are no whole number of the type's blocks are f16.

--vocab copies the tokenizer of another file, whose vocabulary the model then
has. Without it every byte is a token, and the rest of the vocabulary never comes
up in a text; a model with less than 259 tokens has no tokenizer.`,
		Example: "  deltaloom synth --model qwen3.5-0.8b --type q8_0 -o qwen.gguf",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return s.run(cmd) },
	}
	f := cmd.Flags()
	f.StringVar(&s.model, "model", "", "the built-in shape table `NAME` (see: deltaloom models)")
	f.StringVar(&s.dtype, "type", "", "store the matrices as `TYPE`: "+strings.Join(typeNames(), ", "))
	f.StringVarP(&s.path, "output", "o", "", "write `FILE`")
	f.StringVar(&s.vocab, "vocab", "", "copy the tokenizer of GGUF `FILE`")
	return cmd
}

func (s *synthCall) run(cmd *cobra.Command) error {
	if s.model == "" || s.dtype == "" || s.path == "" {
		return misused("want --model, --type and -o")
	}
	dt, err := packable(s.dtype)
	if err != nil {
		return err
	}
	c, err := models.ByName(s.model)
	if err != nil {
		return err
	}
	w := &gguf.Writer{}
	if err := s.tokenizer(w, c); err != nil {
		return err
	}
	for _, kv := range c.Metadata() {
		w.KV(kv.Key, kv.Value)
	}
	bar := newProgress(cmd.ErrOrStderr(), s.quiet, "writing "+s.path, c.Parameters())
	defer bar.stop()
	weights := models.Synthetic(c, s.seed)
	fallback := 0
	for _, x := range c.Weights() {
		to := graph.F32
		if x.Kind.Quantisable() {
			to = dt
			if block, _ := dt.Block(); x.Shape.Dim(-1)%block != 0 {
				to = graph.F16
				fallback++
			}
		}
		w.TensorFunc(x.Name, graph.ShapeOf(to, x.Shape.Dims()...), func(out io.Writer) error {
			return writeTensor(cmd.Context(), out, weights, x, to, bar)
		})
	}
	if err := w.WriteFile(s.path); err != nil {
		return err
	}
	bar.stop()
	if fallback > 0 {
		s.log.Info(fmt.Sprintf("%s of f16: their rows are no whole number of blocks of %v", plural(fallback, "tensor"), dt))
	}
	if info, err := os.Stat(s.path); err == nil {
		s.log.Info(fmt.Sprintf("wrote %s: %s parameters, %s", s.path, short(c.Parameters()), size(info.Size())))
	}
	return nil
}

// packable returns the type of that name, if weights can be written in it.
func packable(name string) (graph.DType, error) {
	t, err := gguf.ParseTensorType(strings.ToLower(name))
	if err != nil {
		return graph.Invalid, misused("--type: %w%s", err, didYouMean(name, typeNames()))
	}
	if !slices.Contains(quant.Types(), t.DType()) {
		return graph.Invalid, fmt.Errorf("--type %v: %w (known: %s)", t, errors.ErrUnsupported, strings.Join(typeNames(), ", "))
	}
	return t.DType(), nil
}

func typeNames() (names []string) {
	for _, dt := range quant.Types() {
		names = append(names, dt.String())
	}
	return names
}

// tokenizer writes the keys of the tokenizer, and makes the vocabulary theirs.
func (s *synthCall) tokenizer(w *gguf.Writer, c *models.Config) error {
	const prefix, tokens = "tokenizer.", "tokenizer.ggml.tokens"
	if s.vocab == "" {
		if c.Vocab < leastVocabulary {
			w.KV("tokenizer.ggml.model", "none")
			return nil
		}
		pre := "qwen35"
		if c.Arch == "kimi-linear" {
			pre = "kimi-k2"
		}
		bytesVocabulary(w, pre, c.Vocab)
		return nil
	}
	f, err := gguf.Open(s.vocab)
	if err != nil {
		return err
	}
	defer f.Close()
	list, ok := f.KV(tokens)
	if !ok || list.Type != gguf.Array || list.Elem != gguf.String || list.Len == 0 {
		return fmt.Errorf("%s: no list %s", s.vocab, tokens)
	}
	c.Vocab = list.Len
	for _, kv := range f.KVs() {
		if strings.HasPrefix(kv.Key, prefix) {
			w.KV(kv.Key, kv.Value())
		}
	}
	return nil
}

// writeTensor makes one weight and writes it packed: a batch of stretches at a
// time, those of a batch side by side.
func writeTensor(ctx context.Context, out io.Writer, weights *models.SyntheticWeights, x models.Weight, to graph.DType, bar *progress) error {
	const stretch = models.SyntheticStretch // a whole number of blocks of any type
	n, batch := x.Shape.Len(), 16*runtime.GOMAXPROCS(0)*stretch
	packed := make([]byte, to.Bytes(min(n, batch)))
	for at := 0; at < n; at += batch {
		end := min(n, at+batch)
		group, ctx := errgroup.WithContext(ctx)
		group.SetLimit(runtime.GOMAXPROCS(0))
		for from := at; from < end; from += stretch {
			group.Go(func() error {
				if err := ctx.Err(); err != nil {
					return err
				}
				part := make([]float32, min(stretch, end-from))
				if err := weights.Fill(x.Name, from, part); err != nil {
					return err
				}
				bar.add(len(part))
				return quant.Pack(to, packed[to.Bytes(from-at):to.Bytes(from-at+len(part))], part)
			})
		}
		if err := group.Wait(); err != nil {
			return err
		}
		if _, err := out.Write(packed[:to.Bytes(end-at)]); err != nil {
			return err
		}
	}
	return nil
}
