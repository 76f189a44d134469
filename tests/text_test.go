package tests

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/deltaloom/deltaloom"
	"github.com/deltaloom/deltaloom/chat"
	"github.com/deltaloom/deltaloom/gguf"
	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/models"
	"github.com/deltaloom/deltaloom/sample"
	"github.com/deltaloom/deltaloom/tokenizer"
)

// talking writes a built-in model in f32 with the vocabulary of another file.
func talking(t testing.TB, name, vocabulary string) string {
	t.Helper()
	c, err := models.ByName(name)
	if err != nil {
		t.Fatal(err)
	}
	f, err := gguf.Open(vocabulary)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := &gguf.Writer{}
	for _, kv := range f.KVs() {
		if strings.HasPrefix(kv.Key, "tokenizer.") {
			w.KV(kv.Key, kv.Value())
		}
		if kv.Key == "tokenizer.ggml.tokens" {
			c.Vocab = kv.Len
		}
	}
	return writeModel(t, w, c)
}

// writeModel adds what a model has beside its vocabulary, with random weights.
func writeModel(t testing.TB, w *gguf.Writer, c *models.Config) string {
	t.Helper()
	for _, kv := range c.Metadata() {
		w.KV(kv.Key, kv.Value)
	}
	weights := models.Synthetic(c, 11)
	for _, x := range c.Weights() {
		w.TensorFunc(x.Name, graph.ShapeOf(graph.F32, x.Shape.Dims()...), func(out io.Writer) error {
			values := make([]float32, x.Shape.Len())
			if err := weights.Fill(x.Name, 0, values); err != nil {
				return err
			}
			return binary.Write(out, binary.LittleEndian, values)
		})
	}
	path := filepath.Join(t.TempDir(), "model.gguf")
	if err := w.WriteFile(path); err != nil {
		t.Fatal(err)
	}
	return path
}

// greedy is a text that always took the most likely token, and by how much it was.
type greedy struct {
	prompt, tokens []int32
	margins        []float32
}

// newGreedy evaluates step by step what Generate is held to.
func newGreedy(t testing.TB, m *deltaloom.Model, prompt []int32, n int) greedy {
	t.Helper()
	s := session(t, m, deltaloom.SessionOptions{})
	defer s.Close()
	g, q, next := greedy{prompt: prompt}, begin(t, s), prompt
	for range n {
		rows := eval(t, s, deltaloom.Next{Seq: q, Tokens: next})
		logits := rows[0][len(rows[0])-m.Config().Vocab:]
		best, second := 0, float32(math.Inf(-1))
		for i, v := range logits[1:] {
			if v > logits[best] {
				best, second = i+1, logits[best]
			} else {
				second = max(second, v)
			}
		}
		next = []int32{int32(best)}
		g.tokens, g.margins = append(g.tokens, next[0]), append(g.margins, logits[best]-second)
	}
	return g
}

// check reports a token that is not the reference's where that was clear. Behind an
// unclear one texts may differ.
func (g greedy) check(t testing.TB, what string, got []int32) {
	t.Helper()
	if len(got) != len(g.tokens) {
		t.Errorf("%s: %d tokens, want %d", what, len(got), len(g.tokens))
	}
	for i := range min(len(got), len(g.tokens)) {
		if got[i] == g.tokens[i] {
			continue
		}
		if g.margins[i] > 1e-4 {
			t.Errorf("%s: token %d is %d, want %d, ahead by %g", what, i, got[i], g.tokens[i], g.margins[i])
		} else {
			t.Logf("%s: token %d differs where the reference is ahead by %g only", what, i, g.margins[i])
		}
		return
	}
}

// generate collects what Generate gives.
func generate(t testing.TB, q *deltaloom.Sequence, tokens []int32, n int) (got []int32) {
	t.Helper()
	o := deltaloom.GenerateOptions{Max: n, End: func(int32) bool { return false }}
	for id, err := range q.Generate(t.Context(), tokens, o) {
		if err != nil {
			t.Error(err)
			return got
		}
		got = append(got, id)
	}
	return got
}

var said = []string{
	"Once upon a time there was a matrix.", "def f(x):\n\treturn x", "Größe: 12 µm", "1 2 3 4",
	"the delta rule corrects", "北京的天气", "\n\n\n", "A", "a longer text than the others are, so that its prompt takes another step",
	"S' = aS + ek'", "SELECT * FROM states;", "<|im_start|>user\nHi<|im_end|>\n", "    indented", "¿Qué?", "x", "ก่อน",
}

// TestGreedyText holds the text of one model to that of the reference backend, unfused,
// with its prompt in one piece: fused and not, on both backends, with prompts in pieces
// of seven, alone and with 15 others at once.
func TestGreedyText(t *testing.T) {
	path := talking(t, "qwen3.5-tiny", goldenPath(t, "vocab/qwen35.gguf"))
	const n = 12
	var want []greedy
	ref := open(t, path, deltaloom.Options{Backend: "interp", Unfused: true})
	tok, err := ref.Tokenizer()
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range said {
		want = append(want, newGreedy(t, ref, tok.Encode(nil, text, true), n))
	}
	for _, backend := range []string{"interp", "cpu"} {
		for _, unfused := range []bool{true, false} {
			m := open(t, path, deltaloom.Options{Backend: backend, Unfused: unfused})
			for _, ubatch := range []int{0, 7} {
				name := fmt.Sprintf("%s unfused=%v ubatch=%d", backend, unfused, ubatch)
				s := session(t, m, deltaloom.SessionOptions{Seqs: len(want), UBatch: ubatch})
				alone := begin(t, s)
				want[0].check(t, name+" alone", generate(t, alone, want[0].prompt, n))
				if err := alone.End(); err != nil {
					t.Error(err)
				}
				var all sync.WaitGroup
				for i, g := range want {
					q := begin(t, s)
					all.Go(func() { g.check(t, fmt.Sprintf("%s text %d of %d", name, i, len(want)), generate(t, q, g.prompt, n)) })
				}
				all.Wait()
				s.Close()
			}
		}
	}
}

// bytesModel writes a small model in f32 that has a token for every byte, three for
// chats, and a template.
func bytesModel(t testing.TB, template string) string {
	t.Helper()
	c, err := models.ByName("qwen3.5-tiny")
	if err != nil {
		t.Fatal(err)
	}
	var tokens []string
	types := make([]int32, 259)
	for b := range 256 {
		tokens, types[b] = append(tokens, string(tokenizer.Symbol(byte(b)))), int32(tokenizer.Normal)
	}
	tokens = append(tokens, "<|endoftext|>", "<|im_start|>", "<|im_end|>")
	for i := 256; i < len(tokens); i++ {
		types[i] = int32(tokenizer.Control)
	}
	w := &gguf.Writer{}
	for key, value := range map[string]any{
		"model": "gpt2", "pre": "qwen35", "tokens": tokens, "token_type": types, "merges": []string{}, "eos_token_id": uint32(256),
	} {
		w.KV("tokenizer.ggml."+key, value)
	}
	w.KV("tokenizer.chat_template", template)
	c.Vocab = len(tokens)
	return writeModel(t, w, c)
}

// chatML is a template whose earlier turns stay as they are.
const chatML = `{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}`

// forgetful is one that shows of earlier answers only what follows their thoughts, and
// opens an answer with one.
const forgetful = `{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content.split('|')[-1] + '<|im_end|>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n~' }}{% endif %}`

// TestChat counts what each turn of a chat evaluates.
func TestChat(t *testing.T) {
	user := func(text string) chat.Message { return chat.Message{Role: "user", Content: text} }
	length := func(role, text string) int { return len("I" + role + "\n" + text + "E\n") } // I and E are one token each
	opened := len("Iassistant\n")
	const long = "Once upon a time there was a text that took long to read."
	for name, template := range map[string]string{"plain": chatML, "forgetful": forgetful} {
		t.Run(name, func(t *testing.T) {
			m := open(t, bytesModel(t, template), deltaloom.Options{})
			s := session(t, m, deltaloom.SessionOptions{Seqs: 2})
			q := begin(t, s)
			o := deltaloom.GenerateOptions{Max: 8, End: func(int32) bool { return false }}
			// say answers messages and tells what that evaluated beside the answer.
			say := func(q *deltaloom.Sequence, messages ...chat.Message) (answer string, evaluated int) {
				t.Helper()
				before := q.Evaluated()
				for piece, err := range q.Chat(t.Context(), chat.Request{Messages: messages, Generate: true}, o) {
					if err != nil {
						t.Fatal(err)
					}
					answer += piece
				}
				return answer, int(q.Evaluated()-before) - (o.Max - 1)
			}
			open := opened
			if name == "forgetful" {
				open++ // its thought
			}
			messages := []chat.Message{user(long)}
			_, n := say(q, messages...)
			if want := length("user", long) + open; n != want {
				t.Errorf("the first turn evaluated %d tokens, want %d", n, want)
			}

			// The second turn: an answer as it would come from a template.
			messages = append(messages, chat.Message{Role: "assistant", Content: "thought|said"}, user("more"))
			_, n = say(q, messages...)
			shown := map[string]string{"plain": "thought|said", "forgetful": "said"}[name]
			want := length("assistant", shown) + length("user", "more") + open
			if n != want {
				t.Errorf("the second turn evaluated %d tokens, want %d", n, want)
			}

			// The last message is edited: what stands before it is kept.
			messages[2] = user("less")
			edited, n := say(q, messages...)
			if want := length("user", "less") + open; n != want {
				t.Errorf("after an edit %d tokens were evaluated, want %d", n, want)
			}
			if fresh, _ := say(begin(t, s), messages...); fresh != edited {
				t.Errorf("after an edit the answer is %q, to the same messages at once %q", edited, fresh)
			}

			// A copy of the sequence answers as it does itself.
			snapshot, err := q.Snapshot()
			if err != nil {
				t.Fatal(err)
			}
			other := session(t, m, deltaloom.SessionOptions{})
			copied, err := other.Resume(snapshot)
			if err != nil {
				t.Fatal(err)
			}
			messages = append(messages, chat.Message{Role: "assistant", Content: edited}, user("and?"))
			mine, _ := say(q, messages...)
			if its, _ := say(copied, messages...); its != mine {
				t.Errorf("a copy answers %q, not %q", its, mine)
			}
		})
	}
}

// TestComplete goes on with a text, in whole runes.
func TestComplete(t *testing.T) {
	m := open(t, bytesModel(t, chatML), deltaloom.Options{})
	s := session(t, m, deltaloom.SessionOptions{})
	q := begin(t, s)
	o := deltaloom.GenerateOptions{Max: 200, Sample: sample.Options{Temperature: 5, Seed: 3}}
	var text string
	for piece, err := range q.Complete(t.Context(), "Größe", o) {
		if err != nil {
			t.Fatal(err)
		}
		if piece == "" {
			t.Error("an empty piece")
		}
		text += piece
	}
	tok, err := m.Tokenizer()
	if err != nil {
		t.Fatal(err)
	}
	// The same tokens, one by one: all that was written, the end of text left out.
	var ids []int32
	for id, err := range q.Generate(t.Context(), tok.Encode(nil, "Größe", true), o) {
		if err != nil {
			t.Fatal(err)
		}
		if !tok.IsEnd(id) {
			ids = append(ids, id)
		}
	}
	want, err := tok.Decode(nil, ids...)
	if err != nil {
		t.Fatal(err)
	}
	if text == "" || text != string(want) {
		t.Errorf("%q, of tokens that say %q", text, want)
	}
}

// TestNoWords asks a model without a file for text.
func TestNoWords(t *testing.T) {
	m := tiny(t, deltaloom.Options{})
	q := begin(t, session(t, m, deltaloom.SessionOptions{}))
	for _, err := range q.Complete(t.Context(), "x", deltaloom.GenerateOptions{}) {
		if err == nil || !strings.Contains(err.Error(), "no vocabulary") {
			t.Errorf("error %v", err)
		}
	}
	if _, err := m.Template(); err == nil {
		t.Error("it has a template")
	}
}
