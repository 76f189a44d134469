package main

import (
	"path/filepath"
	"testing"

	"github.com/deltaloom/deltaloom/gguf"
)

// Every byte has a character of its own, and the vocabulary the size it is asked for.
func TestBytesVocabulary(t *testing.T) {
	path := filepath.Join(t.TempDir(), "v.gguf")
	w := &gguf.Writer{}
	bytesVocabulary(w, "qwen35", 300)
	if err := w.WriteFile(path); err != nil {
		t.Fatal(err)
	}
	f, err := gguf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	tokens, err := gguf.GetArray[string](f, "tokenizer.ggml.tokens")
	if err != nil {
		t.Fatal(err)
	}
	number := map[string]int{}
	for i, s := range tokens {
		number[s] = i
	}
	if len(tokens) != 300 || len(number) != 300 {
		t.Errorf("%d tokens, %d different ones, want 300", len(tokens), len(number))
	}
	for symbol, b := range map[string]int{"A": 'A', "Ġ": ' ', "Ċ": '\n', "Ā": 0, "ÿ": 255, "Ń": 0xad} {
		if number[symbol] != b {
			t.Errorf("%q is byte %d, want %d", symbol, number[symbol], b)
		}
	}
}
