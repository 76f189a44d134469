package chat

import (
	"bufio"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"
)

// request is a line of testdata/requests.jsonl: what transformers gives to a template.
type request struct {
	Messages []struct {
		Role      string
		Content   string
		Reasoning string `json:"reasoning_content"`
		ToolCalls []struct {
			ID       string
			Function struct {
				Name      string
				Arguments json.RawMessage
			}
		} `json:"tool_calls"`
		ToolCallID string `json:"tool_call_id"`
	}
	Tools    []json.RawMessage
	Thinking *bool `json:"enable_thinking"`
	Generate bool  `json:"add_generation_prompt"`
}

func (r request) request() Request {
	out := Request{Tools: r.Tools, Thinking: r.Thinking, Generate: r.Generate}
	for _, m := range r.Messages {
		to := Message{Role: m.Role, Content: m.Content, Reasoning: m.Reasoning, ToolCallID: m.ToolCallID}
		for _, c := range m.ToolCalls {
			to.ToolCalls = append(to.ToolCalls, ToolCall{c.ID, c.Function.Name, c.Function.Arguments})
		}
		out.Messages = append(out.Messages, to)
	}
	return out
}

func readLines[T any](t *testing.T, path string) (list []T) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s := bufio.NewScanner(f)
	for s.Scan() {
		var v T
		if err := json.Unmarshal(s.Bytes(), &v); err != nil {
			t.Fatal(path, err)
		}
		list = append(list, v)
	}
	return list
}

// TestTemplates holds what is rendered to what Jinja 3.1.6 makes of the same template and
// request, set up as transformers does it.
func TestTemplates(t *testing.T) {
	requests := readLines[request](t, "testdata/requests.jsonl")
	for _, name := range []string{"tools", "marks"} {
		source, err := os.ReadFile("testdata/" + name + ".jinja")
		if err != nil {
			t.Fatal(err)
		}
		template, err := Parse(string(source), "<s>", "</s>")
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range readLines[string](t, "testdata/"+name+".want.jsonl") {
			got, err := template.Render(requests[i].request())
			if message, bad := strings.CutPrefix(want, "ERROR "); bad {
				if err == nil || !strings.Contains(err.Error(), message) {
					t.Errorf("%s %d: %q and error %v, want error %q", name, i, got, err, message)
				}
				continue
			}
			if err != nil || got != want {
				t.Errorf("%s %d: error %v\ngot  %q\nwant %q", name, i, err, got, want)
			}
		}
	}
}

var hello = Request{Messages: []Message{{Role: "user", Content: "hello"}}, Generate: true}

func render(t *testing.T, source string) (string, error) {
	t.Helper()
	template, err := Parse(source, "", "")
	if err != nil {
		return "", err
	}
	return template.Render(hello)
}

// TestHostile renders templates that must end in an error, soon.
func TestHostile(t *testing.T) {
	for name, source := range map[string]string{
		"syntax":            "{% if %}",
		"unknown filter":    "{{ 'x' | nonsense }}",
		"unknown function":  "{{ nonsense() }}",
		"open block":        "{% for x in messages %}",
		"reads a file":      "{% include '/etc/passwd' %}",
		"extends a file":    "{% extends 'x' %}",
		"includes itself":   "{% include 'chat template' %}",
		"imports":           "{% import 'x' as y %}",
		"long range":        "{% for i in range(1000000000000) %}{% endfor %}",
		"ranges in ranges":  "{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}",
		"step of 0":         "{{ range(1, 2, 0) }}",
		"much text":         "{% for i in range(1000000) %}" + strings.Repeat("x", 1000) + "{% endfor %}",
		"recursion":         "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
		"mutual recursion":  "{% macro f(g) %}{{ g(g) }}{% endmacro %}{{ f(f) }}",
		"exponential calls": "{% macro a() %}x{% endmacro %}" + doubling(20) + "{{ a20() }}",
		"value in itself":   "{% set ns = namespace() %}{% set ns.x = ns %}{{ ns }}",
		"list in itself":    "{% set ns = namespace(l=[]) %}{% set ns.l = [ns, ns.l] %}{{ ns }}",
		"brackets":          "{{ " + strings.Repeat("(", 100000) + "1" + strings.Repeat(")", 100000) + " }}",
		"too long":          strings.Repeat(" ", maxSource+1),
	} {
		t.Run(name, func(t *testing.T) {
			done := make(chan string, 1)
			go func() {
				if text, err := render(t, source); err == nil {
					done <- text[:min(len(text), 100)]
				}
				close(done)
			}()
			select {
			case text, rendered := <-done:
				if rendered {
					t.Errorf("rendered %q", text)
				}
			case <-time.After(time.Minute):
				t.Fatal("it does not end")
			}
		})
	}
}

// doubling returns macros a1 to an, each of which calls the one before it twice.
func doubling(n int) string {
	var b strings.Builder
	before := "a"
	for i := range n {
		name := "a" + strings.Repeat("", i) + itoa(i+1)
		b.WriteString("{% macro " + name + "() %}{{ " + before + "() }}{{ " + before + "() }}{% endmacro %}")
		before = name
	}
	return b.String()
}

func itoa(i int) string { b, _ := json.Marshal(i); return string(b) }

func TestJSON(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{`{"b":1,"a":[],"c":{}}`, `{"b": 1, "a": [], "c": {}}`},
		{`[1.0,1e5,1.5e-7,1e16,-0.0001,123456789012]`, `[1.0, 100000.0, 1.5e-07, 1e+16, -0.0001, 123456789012]`},
		{`"\u0001\b\f\n\r\t\"\\/é\u2028"`, "\"\\u0001\\b\\f\\n\\r\\t\\\"\\\\/é\u2028\""},
	} {
		v, err := decode(json.RawMessage(c.in))
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		if err := (jsonStyle{comma: ", ", colon: ": "}).write(&b, v, 0); err != nil || b.String() != c.want {
			t.Errorf("%s: %s, error %v, want %s", c.in, b.String(), err, c.want)
		}
	}
	for _, bad := range []string{"", "{", `{"a"`, "[1,", "1 2", strings.Repeat("[", 5000), `{"a":1}}`} {
		if v, err := decode(json.RawMessage(bad)); err == nil {
			t.Errorf("%.20q is %v", bad, v)
		}
	}
	if got, err := render(t, `{{ {"a": "ä😀", "b": [1]} | tojson(ensure_ascii=true, indent=1) }}`); got != "{\n \"a\": \"\\u00e4\\ud83d\\ude00\",\n \"b\": [\n  1\n ]\n}" {
		t.Errorf("%q, error %v", got, err)
	}
}

func TestStrftime(t *testing.T) {
	at := time.Date(2026, 3, 7, 15, 4, 5, 0, time.UTC)
	if got, want := strftime(at, "%d %B %Y, %a %H:%M:%S 100%% %Q %"), "07 March 2026, Sat 15:04:05 100% %Q %"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func FuzzTemplate(f *testing.F) {
	for _, s := range []string{"{{ messages[0].content }}", "{% for m in messages %}{{ m.role ~ loop.index }}{% endfor %}", "{% set x = namespace(a=1) %}{{ x.a }}", "{{ tools | tojson }}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, source string) {
		if template, err := Parse(source, "<s>", "</s>"); err == nil {
			template.Render(hello) // ends
		}
	})
}
