package deltaloom

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"

	"github.com/deltaloom/deltaloom/chat"
	"github.com/deltaloom/deltaloom/gguf"
	"github.com/deltaloom/deltaloom/tokenizer"
)

// words is what a model's file says about text, read when it is first asked for.
type words struct {
	tokenizer func() (*tokenizer.Tokenizer, error)
	template  func() (*chat.Template, error)
}

const templateKey = "tokenizer.chat_template"

var errNoVocabulary = errors.New("the model has no vocabulary: it was made without a file")

func newWords(m *Model) words {
	var source string
	var missing error // of the template
	tokens := onceOpen(m, func() (*tokenizer.Tokenizer, error) {
		if m.file == nil {
			return nil, errNoVocabulary
		}
		source, missing = gguf.Get[string](m.file, templateKey)
		t, err := tokenizer.New(m.file)
		if err == nil && t.Len() > m.config.Vocab {
			err = fmt.Errorf("a vocabulary of %d tokens, logits for %d", t.Len(), m.config.Vocab)
		}
		return t, err
	})
	return words{tokens, sync.OnceValues(func() (*chat.Template, error) {
		t, err := tokens()
		if err = errors.Join(err, missing); err != nil {
			return nil, err
		}
		text := func(id int32, ok bool) (text string) {
			if ok {
				text, _ = t.Token(id)
			}
			return text
		}
		template, err := chat.Parse(source, text(t.BOS()), text(t.EOS()))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", templateKey, err)
		}
		return template, nil
	})}
}

// Tokenizer returns the tokenizer of the model's file.
func (m *Model) Tokenizer() (*tokenizer.Tokenizer, error) { return m.words.tokenizer() }

// Template returns the chat template of the model's file.
func (m *Model) Template() (*chat.Template, error) { return m.words.template() }

// endOfText returns what tells the tokens that end a text.
func (m *Model) endOfText() func(int32) bool {
	t, err := m.Tokenizer()
	if err != nil {
		return func(int32) bool { return false }
	}
	return t.IsEnd
}

// Complete is Generate for text: all of it so far, in which special tokens are
// recognised, and what follows in pieces of whole runes, without the end of text.
func (q *Sequence) Complete(ctx context.Context, text string, o GenerateOptions) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		t, err := q.s.m.Tokenizer()
		if err != nil {
			yield("", err)
			return
		}
		q.complete(ctx, t, t.Encode(nil, text, true), nil, o, yield)
	}
}

// Chat answers the messages of a request, whose Generate is set: all that has been said
// so far, rendered with the template of the model's file. Answers of earlier requests
// among them need not be evaluated again, nor what stands before an edited message.
func (q *Sequence) Chat(ctx context.Context, r chat.Request, o GenerateOptions) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		t, err := q.s.m.Tokenizer()
		if err != nil {
			yield("", err)
			return
		}
		tokens, marks, err := q.s.m.prompt(t, r)
		if err != nil {
			yield("", err)
			return
		}
		q.complete(ctx, t, tokens, marks, o, yield)
	}
}

// prompt returns the tokens of a request, and where a later one is likely to differ: at
// the last message, which may be edited, and behind it, where a template may want less
// of what has been answered.
func (m *Model) prompt(t *tokenizer.Tokenizer, r chat.Request) (tokens []int32, marks []int, err error) {
	template, err := m.Template()
	if err != nil {
		return nil, nil, err
	}
	text, err := template.Render(r)
	if err != nil {
		return nil, nil, err
	}
	tokens = t.Encode(nil, text, true)
	for n := max(0, len(r.Messages)-1); n <= len(r.Messages); n++ {
		begin := r
		begin.Messages, begin.Generate = r.Messages[:n], false
		// Not every template takes part of a chat, and then there is no mark.
		if text, err := template.Render(begin); err == nil {
			marks = append(marks, common(tokens, t.Encode(nil, text, true)))
		}
	}
	slices.Sort(marks)
	return tokens, marks, nil
}

func (q *Sequence) complete(ctx context.Context, t *tokenizer.Tokenizer, tokens []int32, marks []int, o GenerateOptions, yield func(string, error) bool) {
	d, open := tokenizer.NewDecoder(t), true
	end := o.End
	if end == nil {
		end = t.IsEnd
	}
	give := func(text string, err error) {
		if open && (text != "" || err != nil) {
			open = yield(text, err)
		}
	}
	err := q.goOn(ctx, tokens, marks, o, func(id int32) bool {
		if !end(id) {
			give(d.Next(id))
		}
		return open
	})
	give(d.Flush(), nil)
	give("", err)
}
