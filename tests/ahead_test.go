package tests

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/deltaloom/deltaloom"
	"github.com/deltaloom/deltaloom/gguf"
	"github.com/deltaloom/deltaloom/internal/reference"
	"github.com/deltaloom/deltaloom/sample"
	"github.com/deltaloom/deltaloom/tools/ptxsim/cudasim"
)

var prompt = []int32{1, 2, 3}

// goesOn is what a sequence goes on with; see is called for each token.
func goesOn(t *testing.T, q *deltaloom.Sequence, text []int32, o deltaloom.GenerateOptions, see func(n int) bool) (tokens []int32) {
	t.Helper()
	for id, err := range q.Generate(t.Context(), text, o) {
		if err != nil {
			t.Error(err)
			return tokens
		}
		if tokens = append(tokens, id); see != nil && !see(len(tokens)) {
			break
		}
	}
	return tokens
}

// TestAheadOnCUDA: when a token is handed out the card has been given the step that
// evaluates it, and has not been waited for; but for the last one.
func TestAheadOnCUDA(t *testing.T) {
	d := simulate(t, cudasim.Options{})
	s := session(t, synthetic(t, "qwen3.5-tiny", "cuda"), deltaloom.SessionOptions{Context: 64})
	defer s.Close()
	const most = 7
	for range 3 { // until all is captured
		q := begin(t, s)
		goesOn(t, q, prompt, deltaloom.GenerateOptions{Max: most}, nil)
		q.End()
	}
	q := begin(t, s)
	d.Reset()
	goesOn(t, q, prompt, deltaloom.GenerateOptions{Max: most}, func(n int) bool {
		st, given := d.Stats(), min(n+1, most) // steps: the prompt's and one for each token but the last
		if st.GraphLaunches != given || st.Kernels["pick"] != n || st.HtoD != given || st.Synchronizes != n || st.Launches != 0 || st.Allocs != 0 {
			t.Errorf("token %d: %+v, want %d graphs and transfers, and %d steps waited for", n, st, given, n)
		}
		return true
	})
	if st := d.Stats(); st.GraphLaunches != most || st.DtoH != most {
		t.Errorf("%d tokens took %d graphs and %d transfers back", most, st.GraphLaunches, st.DtoH)
	}
}

// TestTextsAheadOnCUDA: however a text ends, it is the reference's, the sequence has
// evaluated what was given out or all but the last token, and what comes behind it is
// what a fresh sequence gives.
func TestTextsAheadOnCUDA(t *testing.T) {
	simulate(t, cudasim.Options{})
	textsAhead(t)
}

func TestTextsAheadOnTheCard(t *testing.T) {
	onTheCard(t)
	textsAhead(t)
}

func textsAhead(t *testing.T) {
	ref := session(t, synthetic(t, "qwen3-next-tiny", "interp"), deltaloom.SessionOptions{Context: 20})
	defer ref.Close()
	m := synthetic(t, "qwen3-next-tiny", "cuda")
	s := session(t, m, deltaloom.SessionOptions{Context: 20, Seqs: 2})
	defer s.Close()
	o := sample.Options{Temperature: 1.1, TopK: 20, TopP: 0.97, Seed: 8}
	first := begin(t, ref)
	whole := goesOn(t, first, prompt, deltaloom.GenerateOptions{Sample: o, Max: 9}, nil)
	first.End()
	for name, test := range map[string]struct {
		o         deltaloom.GenerateOptions
		stop      int // the caller stops at this token
		given     int
		evaluated int // of those given out
	}{
		"most":   {deltaloom.GenerateOptions{Max: 6}, 0, 6, 5},
		"caller": {deltaloom.GenerateOptions{}, 4, 4, 4},
		"first":  {deltaloom.GenerateOptions{}, 1, 1, 1},
		"end":    {deltaloom.GenerateOptions{End: func(id int32) bool { return id == whole[2] }}, 0, 1 + slices.Index(whole, whole[2]), 1 + slices.Index(whole, whole[2])},
	} {
		t.Run(name, func(t *testing.T) {
			q := begin(t, s)
			defer q.End()
			test.o.Sample = o
			got := goesOn(t, q, prompt, test.o, func(n int) bool { return n != test.stop })
			if !slices.Equal(got, whole[:test.given]) {
				t.Errorf("tokens %v, want %v", got, whole[:test.given])
			}
			text := slices.Concat(prompt, got[:test.evaluated])
			if !slices.Equal(q.Tokens(), text) {
				t.Errorf("the sequence has %v, want %v", q.Tokens(), text)
			}
			fresh := begin(t, s)
			defer fresh.End()
			want := eval(t, s, deltaloom.Next{Seq: fresh, Tokens: append(text, 9)})[0]
			after := eval(t, s, deltaloom.Next{Seq: q, Tokens: []int32{9}})[0]
			if d := reference.Compare(want[len(want)-len(after):], after); !(d.NMSE <= cudaPromptNMSE) {
				t.Errorf("behind the text: NMSE %.3g", d.NMSE)
			}
		})
	}
	// A context that is full ends a text with an error, after the same tokens as elsewhere.
	lengths := map[*deltaloom.Session]int{}
	for _, s := range []*deltaloom.Session{ref, s} {
		q := begin(t, s)
		var last error
		for _, err := range q.Generate(t.Context(), prompt, deltaloom.GenerateOptions{Sample: o}) {
			if last = err; err == nil {
				lengths[s]++
			}
		}
		if last == nil {
			t.Error("a full context is no error")
		}
		q.End()
	}
	if lengths[s] != lengths[ref] {
		t.Errorf("a full context came after %d tokens, elsewhere after %d", lengths[s], lengths[ref])
	}
}

// TestCompanyAheadOnCUDA lets sequences go on side by side, some shorter, one of them with
// all logits, and copies one in the middle: each text is what it is alone.
func TestCompanyAheadOnCUDA(t *testing.T) {
	simulate(t, cudasim.Options{})
	companyAhead(t)
}

func TestCompanyAheadOnTheCard(t *testing.T) {
	onTheCard(t)
	companyAhead(t)
}

func companyAhead(t *testing.T) {
	options := []deltaloom.GenerateOptions{{Max: 12}, {Max: 5, Sample: sample.Options{Temperature: 1, TopK: 9, Seed: 1}},
		{Max: 9, Sample: sample.Options{Temperature: 1.3, TopK: 40, Seed: 2}}, {Max: 4, Sample: sample.Options{Temperature: 1, Seed: 3}}}
	prompts := func(i int) []int32 { return []int32{int32(i), 2, 3, int32(4 * i)}[:3+i%2] }
	ref := synthetic(t, "qwen3.5-moe-tiny", "interp")
	alone := session(t, ref, deltaloom.SessionOptions{Context: 64, Seqs: 4})
	defer alone.Close()
	s := session(t, synthetic(t, "qwen3.5-moe-tiny", "cuda"), deltaloom.SessionOptions{Context: 64, Seqs: 5})
	defer s.Close()
	var want, got [4][]int32
	for i, o := range options {
		want[i] = goesOn(t, begin(t, alone), prompts(i), o, nil)
	}
	var all sync.WaitGroup
	for i, o := range options {
		all.Go(func() {
			q := begin(t, s)
			got[i] = goesOn(t, q, prompts(i), o, func(n int) bool {
				if i == 0 && n == 5 {
					fork, err := q.Fork()
					if err != nil {
						t.Error(err)
						return false
					}
					defer fork.End()
					text := fork.Tokens()
					copied, fresh := eval(t, s, deltaloom.Next{Seq: fork, Tokens: []int32{9}})[0], feed(t, ref, append(text, 9), 1, 0)
					if d := reference.Compare(fresh[len(fresh)-len(copied):], copied); !(d.NMSE <= cudaPromptNMSE) {
						t.Errorf("a copy goes on with an NMSE of %.3g", d.NMSE)
					}
					if tokens, want := text, slices.Concat(prompts(0), want[0][:n]); !slices.Equal(tokens, want) && !slices.Equal(tokens, want[:len(want)-1]) {
						t.Errorf("a copy has %v, want %v, perhaps without the last", tokens, want)
					}
				}
				return true
			})
		})
	}
	all.Wait()
	for i := range want {
		if !slices.Equal(got[i], want[i]) {
			t.Errorf("sequence %d: %v, want %v", i, got[i], want[i])
		}
	}
}

// TestCutShortOnCUDA takes a sequence away while a step is under way for it.
func TestCutShortOnCUDA(t *testing.T) {
	simulate(t, cudasim.Options{})
	m := synthetic(t, "qwen3.5-tiny", "cuda")
	want := goesOn(t, begin(t, session(t, m, deltaloom.SessionOptions{})), prompt, deltaloom.GenerateOptions{Max: 5}, nil)
	for name, cut := range map[string]func(*testing.T, *deltaloom.Session, *deltaloom.Sequence){
		"the session closes": func(t *testing.T, s *deltaloom.Session, _ *deltaloom.Sequence) {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		},
		"the sequence ends": func(t *testing.T, s *deltaloom.Session, q *deltaloom.Sequence) {
			if err := q.End(); err != nil {
				t.Error(err)
			}
			if got := goesOn(t, begin(t, s), prompt, deltaloom.GenerateOptions{Max: 5}, nil); !slices.Equal(got, want) {
				t.Errorf("the next one in its place: %v, want %v", got, want)
			}
		},
		"it is evaluated and taken back": func(t *testing.T, s *deltaloom.Session, q *deltaloom.Sequence) {
			_, err := s.Eval(t.Context(), deltaloom.LastRow, deltaloom.Next{Seq: q, Tokens: prompt})
			if _, again := q.Reuse(prompt); err == nil || again == nil {
				t.Errorf("errors %v and %v: a sequence that goes on is not for others", err, again)
			}
			s.Close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := session(t, m, deltaloom.SessionOptions{Context: 64, Seqs: 2})
			defer s.Close()
			var got []int32
			var last error
			q := begin(t, s)
			for id, err := range q.Generate(t.Context(), prompt, deltaloom.GenerateOptions{Max: 9}) {
				if last = err; err == nil {
					got = append(got, id)
				}
				if len(got) == 3 && err == nil {
					cut(t, s, q)
				}
			}
			if last == nil || !slices.Equal(got, want[:3]) {
				t.Errorf("tokens %v and %v, want %v and an error", got, last, want[:3])
			}
		})
	}
}

// TestNoTokenOnCUDA: logits that are no numbers end a text with an error, and the sequence
// can be used again.
func TestNoTokenOnCUDA(t *testing.T) {
	file, err := os.ReadFile(goldenPath(t, "q35-tiny-f32-s7.gguf"))
	if err != nil {
		t.Fatal(err)
	}
	f, err := gguf.Open(goldenPath(t, "q35-tiny-f32-s7.gguf"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	norm, ok := f.Tensor("output_norm.weight")
	if !ok {
		t.Fatal("no output_norm.weight")
	}
	for i, at := 0, bytes.Index(file, norm.Data()); i < len(norm.Data()); i += 4 {
		binary.LittleEndian.PutUint32(file[at+i:], math.Float32bits(float32(math.NaN())))
	}
	path := filepath.Join(t.TempDir(), "nan.gguf")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	simulate(t, cudasim.Options{})
	s := session(t, open(t, path, deltaloom.Options{Backend: "cuda", Threads: 1}), deltaloom.SessionOptions{Context: 64})
	defer s.Close()
	q := begin(t, s)
	text := prompt
	for range 4 { // from the third on steps go ahead
		n := 0
		for _, err := range q.Generate(t.Context(), text, deltaloom.GenerateOptions{Max: 9}) {
			if n++; !errors.Is(err, sample.ErrNoToken) {
				t.Errorf("error %v, want %v", err, sample.ErrNoToken)
			}
		}
		if n != 1 || !slices.Equal(q.Tokens(), text) {
			t.Errorf("%d tokens or errors, and the sequence has %v, want one and %v", n, q.Tokens(), text)
		}
		text = append(slices.Clip(text), 5)
	}
}
