package tokenizer

import (
	"os"
	"strings"
	"testing"

	"github.com/deltaloom/deltaloom/gguf"
)

func BenchmarkNew(b *testing.B) {
	f, err := gguf.Open(golden(b, "qwen35.gguf"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	for b.Loop() {
		if _, err := New(f); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	tok := goldenTokenizer(b)
	var all strings.Builder
	for _, v := range vectors(b) {
		all.WriteString(v.Text)
	}
	prose, err := os.ReadFile("../docs/ARCHITECTURE.md")
	if err != nil {
		b.Fatal(err)
	}
	for _, c := range []struct{ name, text string }{
		{"vectors", all.String()},
		{"prose", string(prose)},
		{"letters", strings.Repeat("a", 4<<20)},
		{"spaces", strings.Repeat(" ", 4<<20)},
		{"newlines", strings.Repeat("\n", 4<<20)},
		{"han", strings.Repeat("中", 1<<20)},
		{"word", strings.Repeat("incomprehensibilities", 200_000)},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(len(c.text)))
			var ids []int32
			for b.Loop() {
				ids = tok.Encode(ids[:0], c.text, true)
			}
		})
	}
}

func BenchmarkSplit(b *testing.B) {
	prose, err := os.ReadFile("../docs/ARCHITECTURE.md")
	if err != nil {
		b.Fatal(err)
	}
	split := splitters["qwen35"]
	split.classes = allClasses()
	b.SetBytes(int64(len(prose)))
	for b.Loop() {
		for s := string(prose); s != ""; s = s[split.next(s):] {
		}
	}
}
