package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/deltaloom/deltaloom"
	"github.com/deltaloom/deltaloom/chat"
)

// runCall is one call of the command run.
type runCall struct {
	*common
	prompt string
	chat   bool
	stats  bool
	o      deltaloom.GenerateOptions
}

// runContext is how many tokens a text can have, where the model can as many. Memory
// for them is taken as they come.
const runContext = 32768

func runCommand(c *common) *cobra.Command {
	r := &runCall{common: c}
	cmd := &cobra.Command{
		Use:   "run FILE -p TEXT | --chat",
		Short: "Generate text",
		Long: `Writes what follows on a text, piece by piece: -p takes the text as it is, with
special tokens in it recognised. --chat answers messages, one a line from stdin, with
the template of the file; an answer costs what is new since the last one. An interrupt
ends the answer, an end of input the chat. On a terminal lines can be edited, the arrow
keys bring earlier ones back, and a line that begins with / is a command:

  /edit TEXT   puts TEXT in the place of the last message
  /again       answers the last message again
  /new         begins anew

The same seed gives the same text.`,
		Example: `  deltaloom run model.gguf -p "Once upon a time" -n 64 --stats
  deltaloom run model.gguf --chat`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("prompt") == r.chat {
				return misused("want -p TEXT or --chat")
			}
			if r.o.Sample.Seed = r.seed; r.o.Max < 0 {
				return misused("-n %d: want 0 or more", r.o.Max)
			}
			if err := r.o.Sample.Check(); err != nil {
				return usage{err}
			}
			return r.run(cmd, args[0])
		},
	}
	f := cmd.Flags()
	f.StringVarP(&r.prompt, "prompt", "p", "", "go on with `TEXT`")
	f.BoolVar(&r.chat, "chat", false, "answer messages")
	f.IntVarP(&r.o.Max, "max", "n", 0, "`N` tokens at most (default until the text or the context ends)")
	s := &r.o.Sample
	f.Float64Var(&s.Temperature, "temp", 0.8, "divide logits by `X`; 0: always the most likely token")
	f.IntVar(&s.TopK, "top-k", 40, "pick among the `N` most likely tokens; 0: all")
	f.Float64Var(&s.TopP, "top-p", 0.95, "pick among the most likely tokens that together have probability `X`")
	f.Float64Var(&s.MinP, "min-p", 0.05, "pick among tokens at least `X` times as likely as the likeliest")
	f.BoolVar(&r.stats, "stats", false, "tokens a second, time to the first token and memory, on stderr")
	return cmd
}

func (r *runCall) run(cmd *cobra.Command, path string) error {
	m, err := deltaloom.Open(path, r.options())
	if err != nil {
		return err
	}
	defer m.Close()
	if _, err := m.Tokenizer(); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	s, err := m.NewSession(deltaloom.SessionOptions{Context: min(runContext, m.Config().Context)})
	if err != nil {
		return err
	}
	q, err := s.Begin()
	if err != nil {
		return err
	}
	talk := &talk{call: r, session: s, seq: q, out: cmd.OutOrStdout(), log: cmd.ErrOrStderr()}
	if r.chat {
		if _, err := m.Template(); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		// An interrupt is for the answer, not for the chat.
		return talk.chat(context.WithoutCancel(cmd.Context()), newLines(cmd.InOrStdin(), cmd.ErrOrStderr()))
	}
	_, err = talk.say(q.Complete(cmd.Context(), r.prompt, r.o))
	return err
}

// talk is a text or a chat as it goes on.
type talk struct {
	call    *runCall
	session *deltaloom.Session
	seq     *deltaloom.Sequence
	out     io.Writer
	log     io.Writer
}

// say writes a text as it comes, and a line feed, and returns it.
func (t *talk) say(pieces iter.Seq2[string, error]) (string, error) {
	var text strings.Builder
	c := newClock(t.seq)
	for piece, err := range pieces {
		if err != nil {
			fmt.Fprintln(t.out)
			return text.String(), err
		}
		c.piece()
		text.WriteString(piece)
		if _, err := io.WriteString(t.out, piece); err != nil {
			return text.String(), err
		}
	}
	fmt.Fprintln(t.out)
	if t.call.stats {
		c.report(t.log, t.session)
	}
	return text.String(), nil
}

// chat answers messages until there are no more.
func (t *talk) chat(ctx context.Context, lines lines) error {
	var messages []chat.Message
	for {
		line, err := lines.next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		messages, err = change(messages, line)
		if err != nil {
			fmt.Fprintln(t.log, err)
			continue
		}
		if len(messages) == 0 {
			continue
		}
		answer, err := t.answer(ctx, messages)
		switch {
		case errors.Is(err, context.Canceled):
			fmt.Fprintln(t.log, "(interrupted)")
		case err != nil:
			fmt.Fprintln(t.log, err)
		}
		messages = append(messages, chat.Message{Role: "assistant", Content: answer})
	}
}

// answer ends early at an interrupt.
func (t *talk) answer(ctx context.Context, messages []chat.Message) (string, error) {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt)
	defer stop()
	return t.say(t.seq.Chat(ctx, chat.Request{Messages: messages, Generate: true}, t.call.o))
}

// change returns the messages that a line makes of those so far, the last of which is
// to be answered.
func change(messages []chat.Message, line string) ([]chat.Message, error) {
	command, text, _ := strings.Cut(line, " ")
	last := len(messages) - 2 // of the user
	switch {
	case command == "/new":
		return nil, nil
	case command == "/edit" || command == "/again":
		if last < 0 {
			return messages, fmt.Errorf("%s: no message yet", command)
		}
		if command == "/again" {
			text = messages[last].Content
		}
		messages = messages[:last]
	case strings.HasPrefix(command, "/"):
		return messages, fmt.Errorf("no command %s (known: /edit TEXT, /again, /new)", command)
	default:
		text = line
	}
	return append(messages, chat.Message{Role: "user", Content: text}), nil
}

// clock takes the times of an answer.
type clock struct {
	seq          *deltaloom.Sequence
	evaluated    int64
	start, first time.Time
	atFirst      int64
}

func newClock(q *deltaloom.Sequence) *clock {
	return &clock{seq: q, evaluated: q.Evaluated(), start: time.Now()}
}

// piece notes when the first piece has come.
func (c *clock) piece() {
	if c.first.IsZero() {
		c.first, c.atFirst = time.Now(), c.seq.Evaluated()
	}
}

// report writes what an answer took.
func (c *clock) report(w io.Writer, s *deltaloom.Session) {
	if c.first.IsZero() {
		fmt.Fprintln(w, "nothing was said")
		return
	}
	prompt, answer := c.atFirst-c.evaluated, c.seq.Evaluated()-c.atFirst
	wait, rest := c.first.Sub(c.start).Seconds(), time.Since(c.first).Seconds()
	fmt.Fprintf(w, "prompt: %d tokens evaluated, %.1f tokens/s, first token after %.3f s\n", prompt, float64(prompt)/wait, wait)
	if answer > 0 {
		fmt.Fprintf(w, "answer: %d tokens after the first, %.1f tokens/s\n", answer, float64(answer)/rest)
	}
	m := s.Memory()
	fmt.Fprintf(w, "memory: file %s, repacked %s, states up to %s, copies of them %s, working %s",
		size(m.File), size(m.Resident), size(m.States), size(m.Marks), size(m.Working))
	if peak := peakResident(); peak > 0 {
		fmt.Fprintf(w, ", process at most %s", size(peak))
	}
	fmt.Fprintln(w)
}
