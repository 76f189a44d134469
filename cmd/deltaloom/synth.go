package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

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
numbers that behave like trained ones. The matrices are of the type; norms and
the like are f32, and rows that are no whole number of the type's blocks are f16.

--vocab copies the tokenizer of another file, whose vocabulary the model then
has. Without it the file states that it has none.`,
		Example: "  deltaloom synth --model qwen3.5-0.8b --type q8_0 -o qwen.gguf",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return s.run(cmd) },
	}
	f := cmd.Flags()
	f.StringVar(&s.model, "model", "", "the built-in shape table `NAME` (see: deltaloom models)")
	f.StringVar(&s.dtype, "type", "", "store the matrices as `TYPE`: f32, f16, bf16, q8_0, …")
	f.StringVarP(&s.path, "output", "o", "", "write `FILE`")
	f.StringVar(&s.vocab, "vocab", "", "copy the tokenizer of GGUF `FILE`")
	return cmd
}

func (s *synthCall) run(cmd *cobra.Command) error {
	if s.model == "" || s.dtype == "" || s.path == "" {
		return misused("want --model, --type and -o")
	}
	dt, err := graph.ParseDType(strings.ToLower(s.dtype))
	if err != nil {
		return misused("--type: %w", err)
	}
	if err := canPack(dt); err != nil {
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
			return writeTensor(cmd.Context(), out, weights, x.Name, to, bar)
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

// canPack says whether weights can be written in that type.
func canPack(dt graph.DType) error {
	block, bytes := dt.Block()
	if err := quant.Pack(dt, make([]byte, bytes), make([]float32, block)); err != nil {
		return fmt.Errorf("--type %v: %w", dt, err)
	}
	return nil
}

// tokenizer writes the keys of the tokenizer, and makes the vocabulary theirs.
func (s *synthCall) tokenizer(w *gguf.Writer, c *models.Config) error {
	const prefix, tokens = "tokenizer.", "tokenizer.ggml.tokens"
	if s.vocab == "" {
		w.KV("tokenizer.ggml.model", "none")
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

// writeTensor makes one weight and writes it packed, some rows at a time.
func writeTensor(ctx context.Context, out io.Writer, weights models.Source, name string, to graph.DType, bar *progress) error {
	x, err := weights.Tensor(name)
	if err != nil {
		return err
	}
	n := x.Shape.Dim(-1)
	n *= max(1, 1<<16/n)
	packed := make([]byte, to.Bytes(n))
	for at := 0; at < len(x.F); at += n {
		if err := ctx.Err(); err != nil {
			return err
		}
		part := x.F[at:min(at+n, len(x.F))]
		b := packed[:to.Bytes(len(part))]
		if err := quant.Pack(to, b, part); err != nil {
			return err
		}
		if _, err := out.Write(b); err != nil {
			return err
		}
		bar.add(len(part))
	}
	return nil
}
