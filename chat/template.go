package chat

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"
	"time"

	"github.com/nikolalohinski/gonja/v2/config"
	"github.com/nikolalohinski/gonja/v2/exec"
	"github.com/nikolalohinski/gonja/v2/loaders"
)

// Template is a compiled chat template. It may be used concurrently.
type Template struct {
	bos, eos string
	compiled *exec.Template
	weight   int
	now      func() time.Time
}

const (
	maxSource   = 1 << 18 // bytes of a template
	maxBrackets = maxDepth
)

// Parse compiles a template. bos and eos are the texts of the model's tokens that begin
// and end a text: bos_token and eos_token. The template comes with a model, from
// anywhere: it can read no files, and its work, which bounds its memory and its text, ends
// in an error where it is more than a hundred times what the request is worth.
func Parse(source, bos, eos string) (t *Template, err error) {
	defer recovered(&err)
	switch {
	case len(source) > maxSource:
		return nil, fmt.Errorf("chat template of %d bytes: more than %d", len(source), maxSource)
	case nested(source):
		return nil, fmt.Errorf("chat template: more than %d brackets in each other", maxBrackets)
	}
	c := config.New()
	c.TrimBlocks, c.LeftStripBlocks = true, true // as transformers compiles chat templates
	b := binder{filters: filters()}
	compiled, err := exec.NewTemplate(rootName, c, only(source), &exec.Environment{
		Context:           exec.EmptyContext(),
		Filters:           b.filters,
		Tests:             tests(),
		ControlStructures: tags(),
	})
	if err != nil {
		if cause := errors.Unwrap(err); cause != nil {
			err = cause // without the whole template
		}
		return nil, fmt.Errorf("chat template: %w", err)
	}
	b.block(compiled.Root().Nodes)
	if b.err != nil {
		return nil, fmt.Errorf("chat template: %w", b.err)
	}
	return &Template{bos, eos, compiled, b.weight, time.Now}, nil
}

// Render returns the text of a conversation. An error that the template raises is
// returned with its message.
func (t *Template) Render(r Request) (text string, err error) {
	defer recovered(&err)
	turns, err := messages(r.Messages)
	if err != nil {
		return "", err
	}
	values := map[string]any{"messages": turns, "bos_token": t.bos, "eos_token": t.eos, "add_generation_prompt": r.Generate}
	if r.Thinking != nil {
		values["enable_thinking"] = *r.Thinking
	}
	if len(r.Tools) > 0 {
		if values["tools"], err = objects(r.Tools); err != nil {
			return "", fmt.Errorf("tools: %w", err)
		}
	}
	g, err := newGuard(turns, values["tools"])
	if err == nil {
		err = g.spend(t.weight, 1)
	}
	if err != nil {
		return "", fmt.Errorf("chat template: %w", err)
	}
	values[guardName] = g
	maps.Copy(values, functions(g, t.now))
	var out strings.Builder
	if err := t.compiled.Execute(&out, exec.NewContext(values)); err != nil {
		return "", fmt.Errorf("chat template: %w", g.explained(err))
	}
	return out.String(), nil
}

// recovered makes a panic of the library an error.
func recovered(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("chat template: %v", p)
	}
}

func messages(turns []Message) (values list, err error) {
	for i, m := range turns {
		v := map[string]any{"role": m.Role, "content": m.Content}
		for name, text := range map[string]string{"reasoning_content": m.Reasoning, "tool_call_id": m.ToolCallID, "name": m.Name} {
			if text != "" {
				v[name] = text
			}
		}
		var calls list
		for _, c := range m.ToolCalls {
			arguments, err := decode(c.Arguments)
			if err != nil {
				return nil, fmt.Errorf("message %d: arguments of %s: %w", i, c.Name, err)
			}
			call := dict("type", "function", "function", dict("name", c.Name, "arguments", arguments))
			if c.ID != "" {
				call.Pairs = append(dict("id", c.ID).Pairs, call.Pairs...)
			}
			calls = append(calls, call)
		}
		if calls != nil {
			v["tool_calls"] = calls
		}
		values = append(values, v)
	}
	return values, nil
}

func objects(raws []json.RawMessage) (values list, err error) {
	for i, raw := range raws {
		v, err := decode(raw)
		if err != nil {
			return nil, fmt.Errorf("%d: %w", i, err)
		}
		values = append(values, v)
	}
	return values, nil
}

// nested tells whether brackets lie deeper in each other than an expression needs.
func nested(source string) bool {
	depth := 0
	for _, r := range source {
		switch r {
		case '(', '[', '{':
			if depth++; depth > maxBrackets {
				return true
			}
		case ')', ']', '}':
			depth = max(0, depth-1)
		}
	}
	return false
}

// rootName is the only thing that a template's loader has.
const rootName = "chat template"

type only string

func (o only) Read(path string) (io.Reader, error) {
	if path != rootName {
		return nil, fmt.Errorf("%s: a chat template can load nothing", path)
	}
	return strings.NewReader(string(o)), nil
}

func (o only) Resolve(path string) (string, error) { return path, nil }

func (o only) Inherit(string) (loaders.Loader, error) { return o, nil }
