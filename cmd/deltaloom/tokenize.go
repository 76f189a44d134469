package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/deltaloom/deltaloom/gguf"
	"github.com/deltaloom/deltaloom/tokenizer"
)

// tokenizeCall is one call of the command tokenize.
type tokenizeCall struct {
	prompt                  string
	lines, ordinary, decode bool
}

func tokenizeCommand(*common) *cobra.Command {
	t := &tokenizeCall{}
	cmd := &cobra.Command{
		Use:   "tokenize FILE [-p TEXT | --jsonl] [--no-special] [--decode]",
		Short: "Turn text into tokens, or tokens into text",
		Long: `Prints the tokens of a text, with the tokenizer of a GGUF file, as a JSON list of
numbers. The text is that of -p, else all of stdin, its last newline included.
Special tokens in it are recognised.

With --jsonl each line of stdin is an object {"text": …} and gives a line with its
list. --decode goes the other way round: each line is a list, and its text is
written as it is, with nothing added, or with --jsonl as an object in a line, in
which bytes that are no UTF-8 become U+FFFD.`,
		Example: `  deltaloom tokenize model.gguf -p "Hello world"`,
		Args:    cobra.ExactArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return t.run(cmd, args[0]) },
	}
	f := cmd.Flags()
	f.StringVarP(&t.prompt, "prompt", "p", "", "take `TEXT` (with --decode a list) instead of stdin")
	f.BoolVar(&t.lines, "jsonl", false, "texts as objects, one a line")
	f.BoolVar(&t.ordinary, "no-special", false, "special tokens are text like any other")
	f.BoolVar(&t.decode, "decode", false, "from tokens to text")
	return cmd
}

func (t *tokenizeCall) run(cmd *cobra.Command, path string) error {
	in := cmd.InOrStdin()
	if cmd.Flags().Changed("prompt") {
		if t.lines {
			return misused("-p and --jsonl exclude each other")
		}
		in = strings.NewReader(t.prompt)
	}
	if t.decode && t.ordinary {
		return misused("--decode and --no-special exclude each other")
	}
	tok, err := openTokenizer(path)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(cmd.OutOrStdout())
	if t.lines || t.decode {
		err = eachLine(cmd.Context(), in, out, func(line []byte) error { return t.line(tok, out, line) })
	} else {
		err = t.whole(tok, out, in)
	}
	return errors.Join(err, out.Flush()) // what came before a bad line stands
}

func openTokenizer(path string) (*tokenizer.Tokenizer, error) {
	f, err := gguf.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	tok, err := tokenizer.New(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return tok, nil
}

// whole writes the tokens of all that is in.
func (t *tokenizeCall) whole(tok *tokenizer.Tokenizer, out io.Writer, in io.Reader) error {
	text, err := io.ReadAll(in)
	if err != nil {
		return err
	}
	return t.list(tok, out, string(text))
}

// list writes the tokens of a text in a line.
func (t *tokenizeCall) list(tok *tokenizer.Tokenizer, out io.Writer, text string) error {
	return json.NewEncoder(out).Encode(tok.Encode([]int32{}, text, !t.ordinary))
}

// textJSON is a line of --jsonl.
type textJSON struct {
	Text *string `json:"text"`
}

// line converts what a line holds.
func (t *tokenizeCall) line(tok *tokenizer.Tokenizer, out io.Writer, line []byte) error {
	if !t.decode {
		var o textJSON
		if err := json.Unmarshal(line, &o); err != nil {
			return err
		}
		if o.Text == nil {
			return errors.New(`no "text"`)
		}
		return t.list(tok, out, *o.Text)
	}
	var ids []int32
	if err := json.Unmarshal(line, &ids); err != nil {
		return err
	}
	if bytes.Contains(line, []byte("null")) { // which Unmarshal takes for a list, or for 0
		return errors.New("null, want a list of numbers")
	}
	bytes, err := tok.Decode(nil, ids...)
	if err != nil {
		return err
	}
	if !t.lines {
		_, err := out.Write(bytes)
		return err
	}
	text := string(bytes)
	e := json.NewEncoder(out)
	e.SetEscapeHTML(false)
	return e.Encode(textJSON{&text})
}

// eachLine calls do with each line, of any length, and flushes out where the next
// one is not there yet: the other side may be waiting.
func eachLine(ctx context.Context, in io.Reader, out *bufio.Writer, do func(line []byte) error) error {
	r := bufio.NewReader(in)
	for n := 1; ; n++ {
		if r.Buffered() == 0 {
			if err := out.Flush(); err != nil {
				return err
			}
		}
		line, end := r.ReadBytes('\n')
		if end != nil && end != io.EOF {
			return end
		}
		if len(line) > 0 {
			if err := do(line); err != nil {
				return fmt.Errorf("line %d: %w", n, err)
			}
		}
		if end != nil {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}
