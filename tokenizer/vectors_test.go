package tokenizer

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/deltaloom/deltaloom/gguf"
)

// golden returns a file of the reference data, which is no part of this
// repository, and skips the test where it is absent.
func golden(t testing.TB, name string) string {
	t.Helper()
	dir := os.Getenv("DELTALOOM_GOLDEN")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared", "golden")
	}
	path := filepath.Join(dir, "vocab", name)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("REFERENCE DATA ABSENT: vocab/%s (set DELTALOOM_GOLDEN): %v", name, err)
	}
	return path
}

// goldenTokenizer is that of a file without tensors.
func goldenTokenizer(t testing.TB) *Tokenizer {
	t.Helper()
	f, err := gguf.Open(golden(t, "qwen35.gguf"))
	if err != nil {
		t.Fatal(err)
	}
	tok, err := New(f)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil { // nothing of the file is needed any more
		t.Fatal(err)
	}
	return tok
}

// vector is a text and its tokens, as llama.cpp has them.
type vector struct {
	Text string
	IDs  []int32
}

func vectors(t testing.TB) (list []vector) {
	t.Helper()
	in, err := os.ReadFile(golden(t, "qwen35.inp"))
	if err != nil {
		t.Fatal(err)
	}
	out, err := os.ReadFile(golden(t, "qwen35.out"))
	if err != nil {
		t.Fatal(err)
	}
	texts := strings.Split(string(in), "\n__ggml_vocab_test__\n")
	lines := strings.Split(string(out), "\n")
	if len(texts) != len(lines) || texts[len(texts)-1] != "" || lines[len(lines)-1] != "" {
		t.Fatalf("%d texts, %d lines of tokens", len(texts), len(lines))
	}
	for i, text := range texts[:len(texts)-1] {
		v := vector{Text: text}
		for _, field := range strings.Fields(lines[i]) {
			id, err := strconv.ParseInt(field, 10, 32)
			if err != nil {
				t.Fatal(err)
			}
			v.IDs = append(v.IDs, int32(id))
		}
		list = append(list, v)
	}
	return list
}

func specialVectors(t testing.TB) (list []vector) {
	t.Helper()
	data, err := os.ReadFile(golden(t, "qwen35-special.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(bytes.NewReader(data))
	for lines.Scan() {
		var v vector
		if err := json.Unmarshal(lines.Bytes(), &v); err != nil {
			t.Fatal(err)
		}
		list = append(list, v)
	}
	return list
}

func TestVectors(t *testing.T) {
	tok := goldenTokenizer(t)
	plain, special := vectors(t), specialVectors(t)
	if len(plain) != 50 || len(special) != 30 {
		t.Fatalf("%d and %d vectors", len(plain), len(special))
	}
	for _, v := range slices.Concat(plain, special) {
		if got := tok.Encode(nil, v.Text, true); !slices.Equal(got, v.IDs) {
			t.Errorf("%q:\n got %v\nwant %v", v.Text, got, v.IDs)
		}
		if got, err := tok.Decode(nil, v.IDs...); err != nil || string(got) != v.Text {
			t.Errorf("%v: text %q, %v, want %q", v.IDs, got, err, v.Text)
		}
	}
}
