package chat

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/nikolalohinski/gonja/v2/builtins"
	"github.com/nikolalohinski/gonja/v2/config"
	"github.com/nikolalohinski/gonja/v2/exec"
	"github.com/nikolalohinski/gonja/v2/loaders"
)

// Template is a compiled chat template. It may be used concurrently.
type Template struct {
	bos, eos string
	compiled *exec.Template
}

const (
	maxSource = 1 << 18  // bytes of a template
	maxOutput = 64 << 20 // bytes that one renders
)

// Parse compiles a template. bos and eos are the texts of the model's tokens that begin
// and end a text: bos_token and eos_token. The template comes with a model, from
// anywhere: it can neither read files nor run without an end or write without one. What
// it can do is to use much memory.
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
	compiled, err := exec.NewTemplate(rootName, c, only(withValues(source)), &exec.Environment{
		Context:           exec.EmptyContext().Update(builtins.GlobalFunctions).Update(builtins.GlobalVariables),
		Filters:           filters(),
		Tests:             builtins.Tests,
		ControlStructures: controlStructures(),
		Methods:           methods(),
	})
	if err != nil {
		if cause := errors.Unwrap(err); cause != nil {
			err = cause // without the whole template
		}
		return nil, fmt.Errorf("chat template: %w", err)
	}
	return &Template{bos, eos, compiled}, nil
}

// Render returns the text of a conversation. An error that the template raises is
// returned with its message.
func (t *Template) Render(r Request) (text string, err error) {
	defer recovered(&err)
	g := newGuard()
	values := map[string]any{
		guardName: g, "namespace": g.namespace, "range": g.rangeOf, valueName: valueOf,
		"bos_token": t.bos, "eos_token": t.eos, "add_generation_prompt": r.Generate,
		"raise_exception": func(message string) (string, error) { return "", errors.New(message) },
		"strftime_now":    func(format string) string { return strftime(time.Now(), format) },
	}
	if r.Thinking != nil {
		values["enable_thinking"] = *r.Thinking
	}
	turns, err := messages(r.Messages)
	if err != nil {
		return "", err
	}
	values["messages"], g.mutable = turns, append(g.mutable, turns)
	if len(r.Tools) > 0 {
		if values["tools"], err = objects(r.Tools); err != nil {
			return "", fmt.Errorf("tools: %w", err)
		}
	}
	out := &bounded{left: maxOutput}
	if err := t.compiled.Execute(out, exec.NewContext(values)); err != nil {
		return "", fmt.Errorf("chat template: %w", err)
	}
	if out.left < 0 {
		return "", fmt.Errorf("chat template: more than %d bytes of text", maxOutput)
	}
	return out.text.String(), nil
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

// bounded is memory for a text that may not grow without an end.
type bounded struct {
	text bytes.Buffer
	left int
}

var errTooLong = errors.New("too much text")

func (b *bounded) Write(p []byte) (int, error) {
	if b.left -= len(p); b.left < 0 {
		return 0, errTooLong
	}
	return b.text.Write(p)
}

// rootName is the only thing that a template's loader has.
const rootName = "chat template"

type only string

func (o only) Read(path string) (io.Reader, error) {
	if path != rootName {
		return nil, fmt.Errorf("%s: a chat template can load nothing", path)
	}
	return bytes.NewReader([]byte(o)), nil
}

func (o only) Resolve(path string) (string, error) { return path, nil }

func (o only) Inherit(string) (loaders.Loader, error) { return o, nil }
