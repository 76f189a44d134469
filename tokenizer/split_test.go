package tokenizer

import (
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/dlclark/regexp2"
)

func newSplitter(name string) splitter {
	s := splitters[name]
	s.classes = allClasses()
	return s
}

func (p splitter) all(text string) (pieces []string) {
	for text != "" {
		n := p.next(text)
		pieces = append(pieces, text[:n])
		text = text[n:]
	}
	return pieces
}

// Pieces of each alternative, in their order, and of what keeps one from matching.
func TestSplit(t *testing.T) {
	for _, c := range []struct{ text, qwen2, qwen35, kimi string }{
		// Contractions: ASCII letters only, and nothing need follow or precede them.
		{"don't", "don|'t", "", "don't"},
		{"I'LL we'Ve 'REal", "I|'LL| we|'Ve| '|REal", "", "I'LL| we'Ve| '|REal"},
		{"x'ſ 'l 'r 'x'", "x|'ſ| '|l| '|r| '|x|'", "", ""},
		{"9'm", "9|'m", "", "9|'m"},
		// Words, and what may lead them.
		{"one two", "one| two", "", ""},
		{"(a) \ta\n b", "(a|)| |\ta|\n| b", "", ""},
		{"a1b", "a|1|b", "", ""},
		{"été _x", "été| _|x", "", ""},
		{"CamelCaseWord", "CamelCaseWord", "", ""},
		// Marks: letters of words in qwen35, symbols otherwise, but they may lead.
		{"e\u0301a", "e|\u0301a", "e\u0301a", "e|\u0301a"},
		{"e\u0301\u0301!", "e|\u0301\u0301!", "e\u0301\u0301|!", "e|\u0301\u0301!"},
		{"\u0301\u0301a", "\u0301\u0301|a", "\u0301\u0301a", "\u0301\u0301|a"},
		{" \u0301", " \u0301", "", ""},
		{"!\u0301", "!\u0301", "", ""},
		{"\u0301", "\u0301", "", ""},
		{"1\u0301", "1|\u0301", "", ""},
		// Numbers of every kind.
		{"12345 6", "1|2|3|4|5| |6", "", "123|45| |6"},
		{"½Ⅷ²①", "½|Ⅷ|²|①", "", "½Ⅷ²|①"},
		// Symbols, with a space in front and newlines behind.
		{" ++\r\n\nx", " ++\r\n\n|x", "", ""},
		{"  ++ +", " | ++| +", "", ""},
		{"😁?我", "😁?|我", "😁?|我", ""},
		{"\u00a0+", "\u00a0|+", "", ""},
		{"\xff\xfe a\xffb", "\xff\xfe| a|\xffb", "", ""},
		// Han.
		{"中文and日本語です", "中文and日本語です", "", "中文|and|日本語|です"},
		{" 中", " 中", "", " |中"},
		{"中's", "中|'s", "", "中|'s"},
		{"々〇⺀一", "々|〇|⺀一", "", "々〇⺀一"},
		{"!⺀x", "!⺀|x", "", ""},
		// White space.
		{"a  \n \n  b", "a|  \n \n| | b", "", ""},
		{"a   b", "a|  | b", "", ""},
		{"a   1", "a|  | |1", "", ""},
		{"a   ", "a|   ", "", ""},
		{"\n\nx \r", "\n\n|x| \r", "", ""},
		{"\t\u3000\u2003\u00851", "\t\u3000\u2003|\u0085|1", "", ""},
		{"\u200b\u180e", "\u200b\u180e", "", ""}, // no white space
		{"", "", "", ""},
	} {
		for name, want := range map[string]string{
			"qwen2": c.qwen2, "qwen35": c.qwen35, "kimi-k2": c.kimi, // "" as qwen2
		} {
			if want == "" {
				want = c.qwen2
			}
			if got := strings.Join(newSplitter(name).all(c.text), "|"); got != want {
				t.Errorf("%s: %q: got %q, want %q", name, c.text, got, want)
			}
		}
	}
}

// expressions are what splitters stand for.
var expressions = func() map[string]*regexp2.Regexp {
	const contraction = `'(?:[sStTmMdD]|[rR][eE]|[vV][eE]|[lL][lL])`
	const blank = `|\s*[\r\n]+|\s+(?!\S)|\s+`
	m := map[string]*regexp2.Regexp{}
	for name, e := range map[string]string{
		"qwen2":   contraction + `|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*` + blank,
		"qwen35":  contraction + `|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*` + blank,
		"kimi-k2": `\p{Han}+|[^\r\n\p{L}\p{N}]?[\p{L}-[\p{Han}]]+(?:` + contraction + `)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*` + blank,
	} {
		m[name] = regexp2.MustCompile(e, 0)
	}
	return m
}()

// matchesExpression checks pieces against the matches of the expression: the
// same numbers of characters, since what is no UTF-8 is one each.
func matchesExpression(t *testing.T, name, text string) {
	t.Helper()
	var got, want []int
	for _, piece := range newSplitter(name).all(text) {
		got = append(got, utf8.RuneCountInString(piece))
	}
	m, err := expressions[name].FindRunesMatch([]rune(text))
	for ; m != nil; m, err = expressions[name].FindNextMatch(m) {
		want = append(want, m.Length)
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%s: %q: pieces of %v, want %v, %v", name, text, got, want, err)
	}
}

// letters are characters of all kinds that splitters know.
var letters = []rune("aSsTtRrEeVvLlMmDdſéßЖあ가中々〇⺀㐀𠀀\u0301\u0e48\u093f17½Ⅷ٣ \u00a0\u3000\u0085\t\v\r\n\n  '''!-_=😁\u200d\ufffd\x00\u0378")

func TestSplitIsExpression(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 30_000 {
		text := make([]rune, rng.IntN(16))
		for i := range text {
			text[i] = letters[rng.IntN(len(letters))]
		}
		for name := range splitters {
			matchesExpression(t, name, string(text))
		}
	}
}

// The table says of every character what the standard library says.
func TestClasses(t *testing.T) {
	table := allClasses()
	for r := range rune(unicode.MaxRune + 1) {
		var want class
		for c, in := range map[class]bool{
			letter:    unicode.Is(unicode.L, r) && !unicode.Is(unicode.Han, r),
			ideograph: unicode.Is(unicode.L, r) && unicode.Is(unicode.Han, r),
			han:       unicode.Is(unicode.Han, r),
			mark:      unicode.Is(unicode.M, r),
			number:    unicode.Is(unicode.N, r),
			space:     unicode.Is(unicode.White_Space, r),
			newline:   r == '\r' || r == '\n',
		} {
			if in {
				want |= c
			}
		}
		if table[r] != want {
			t.Fatalf("%U: class %b, want %b", r, table[r], want)
		}
	}
}

func TestSplitterNames(t *testing.T) {
	if got, want := splitterNames(), "kimi-k2, qwen2, qwen35"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if !slices.Equal(slices.Sorted(maps.Keys(splitters)), slices.Sorted(maps.Keys(expressions))) {
		t.Error("there is not an expression for every splitter")
	}
}
