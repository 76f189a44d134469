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
	for _, name := range []string{"tools", "marks", "queue"} {
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
		"loops in loops":    "{% set l = range(300) %}" + strings.Repeat("{% for a in l %}", 5) + strings.Repeat("{% endfor %}", 5),
		"loop over a text":  "{% set s = 'x' * 100000 %}{% for a in s %}{% for b in s %}{% endfor %}{% endfor %}",
		"recursive loop":    "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}",
		"doubled text":      grow("s='x'", "ns.s ~ ns.s") + "{{ ns.s | length }}",
		"doubled in macros": "{% macro f(s, n) %}{% if n %}{{ f(s ~ s, n - 1) }}{% endif %}{% endmacro %}{{ f('x', 60) }}",
		"doubled in loops":  strings.Repeat("{% for x in [(x or 'x') ~ (x or 'x')] %}", 60) + "{{ x }}" + strings.Repeat("{% endfor %}", 60),
		"doubled list":      grow("s=[1]", "[ns.s, ns.s]") + "{{ ns.s }}",
		"doubled list JSON": grow("s=[1]", "[ns.s, ns.s]") + "{{ ns.s | tojson }}",
		"doubled lists ==":  grow("s=[1]", "[ns.s, ns.s]") + "{% set a = ns.s %}" + grow("s=[1]", "[ns.s, ns.s]") + "{{ a == ns.s }}",
		"doubled list maps": grow("s=[1]", "[ns.s, ns.s]") + "{{ [ns.s] | map('string') | list }}",
		"changed lists":     grow("s=[1]", "[ns.s, ns.s]") + "{% for x in [1, 2] %}{{ loop.changed(ns.s) }}{% endfor %}",
		"list as a key":     grow("s=[1]", "[ns.s, ns.s]") + "{% for x in {ns.s: 1} %}{% endfor %}",
		"text of a macro":   "{% macro f() %}" + much + "{% endmacro %}{{ f() | length }}",
		"text of a block":   "{% set x %}" + much + "{% endset %}{{ x | length }}",
		"raw text":          "{% for i in range(100000) %}{% raw %}" + strings.Repeat("x", 1000) + "{% endraw %}{% endfor %}",
		"repeated text":     "{{ ('x' * 1000000000000) | length }}",
		"indented text":     "{{ 'x' | indent(width=1000000000000) | length }}",
		"replaced text":     "{% set s = 'x' * 100000 %}{{ s | replace('x', s) | length }}",
		"replacing method":  "{% set s = 'x' * 100000 %}{{ s.replace('x', s) | length }}",
		"joined text":       "{% set s = 'x' * 100000 %}{{ s | join(s) | length }}",
		"joining method":    "{% set s = 'x' * 100000 %}{{ s.join(s) | length }}",
		"appended to self":  "{% set l = [] %}{% set _ = l.append(l) %}{{ l }}",
		"blocks":            strings.Repeat("{% if true %}", 3000) + strings.Repeat("{% endif %}", 3000),
		"attributes":        "{{ x" + strings.Repeat(".x", 100000) + " }}",
		"operators":         "{{ 1" + strings.Repeat("~1", 100000) + " }}",
		"filters":           "{{ 1" + strings.Repeat("|int", 50000) + " }}",
		"Go's methods":      "{% set f = [1].GetItem %}{{ f(0) }}",
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

var much = "{% for i in range(100000) %}" + strings.Repeat("x", 1000) + "{% endfor %}"

// grow returns a template that makes a value of a namespace from itself often.
func grow(first, next string) string {
	return "{% set ns = namespace(" + first + ") %}{% for i in range(60) %}{% set ns.s = " + next + " %}{% endfor %}"
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

// TestErrors holds that an error has its cause and its line, not what is around it.
func TestErrors(t *testing.T) {
	for source, want := range map[string]string{
		"a\n\n{% if true %}\n{{ raise_exception('oops') }}\n{% endif %}":                "chat template: line 4: oops",
		"\n{% macro f() %}\n{{ raise_exception('oops') }}\n{% endmacro %}\n\n{{ f() }}": "chat template: line 3: oops",
		"\n{{ 'x' | nonsense }}":                        "chat template: line 2: no filter nonsense",
		"\n{% set x = nonsense() %}":                    "chat template: line 2: nonsense is no function",
		"\n\n{% for x in 'a'.nonsense() %}{% endfor %}": "chat template: line 3: no method nonsense of such a value",
		"{{ messages.append(1) }}":                      "chat template: line 1: append: not a list that the template has made",
		"{{ [].pop() }}":                                "chat template: line 1: pop: no such element",
		"{{ {} + 1 }}":                                  "chat template: line 1: + wants two numbers, texts or lists",
		"{% set messages.x = 1 %}":                      "chat template: line 1: messages.x cannot be set: no namespace",
		"\n{% for x in [1] recursive %}{% endfor %}":    "chat template: line 2: recursive loops are not supported",
		"{{ 'x' * 1000000000000 }}":                     "chat template: line 1: the template does too much, or makes too much text",
	} {
		if text, err := render(t, source); err == nil || err.Error() != want {
			t.Errorf("%s: %q, error %v, want %s", source, text, err, want)
		}
	}
}

// TestLong holds that what a conversation is worth grows with it.
func TestLong(t *testing.T) {
	source, err := os.ReadFile("testdata/tools.jinja")
	if err != nil {
		t.Fatal(err)
	}
	template, err := Parse(string(source), "", "")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ turns, bytes int }{{5000, 1}, {2, 4 << 20}} {
		r := Request{Generate: true}
		for i := range c.turns {
			role := []string{"user", "assistant"}[i%2]
			r.Messages = append(r.Messages, Message{Role: role, Content: strings.Repeat("x", c.bytes)})
		}
		if text, err := template.Render(r); err != nil || len(text) < c.turns*c.bytes {
			t.Errorf("%d turns of %d bytes: %d bytes of text, error %v", c.turns, c.bytes, len(text), err)
		}
	}
}

func TestNow(t *testing.T) {
	template, err := Parse("{{ strftime_now('%Y-%m-%d') }}", "", "")
	if err != nil {
		t.Fatal(err)
	}
	template.now = func() time.Time { return time.Date(2026, 3, 7, 0, 0, 0, 0, time.UTC) }
	if got, err := template.Render(hello); got != "2026-03-07" || err != nil {
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
