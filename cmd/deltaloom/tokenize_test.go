package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
)

// Lines may be longer than any buffer, the last one without its newline.
func TestEachLine(t *testing.T) {
	long := strings.Repeat("x", 1<<20)
	var got []string
	out := bufio.NewWriter(io.Discard)
	err := eachLine(context.Background(), strings.NewReader("a\n\n"+long+"\n"+long), out, func(line []byte) error {
		got = append(got, string(line))
		return nil
	})
	if want := []string{"a\n", "\n", long + "\n", long}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%d lines, %v", len(got), err)
	}
}

// A program that waits for the answer to one line before it writes the next gets it.
func TestEachLineAnswers(t *testing.T) {
	in, questions := io.Pipe()
	answers, out := io.Pipe()
	buffered := bufio.NewWriter(out)
	done := make(chan error, 1)
	go func() {
		done <- eachLine(context.Background(), in, buffered, func(line []byte) error {
			_, err := buffered.Write(bytes.ToUpper(line))
			return err
		})
	}()
	r := bufio.NewReader(answers)
	for _, q := range []string{"a\n", "b\n"} {
		if _, err := io.WriteString(questions, q); err != nil {
			t.Fatal(err)
		}
		if a, err := r.ReadString('\n'); err != nil || a != strings.ToUpper(q) {
			t.Fatalf("%q: %q, %v", q, a, err)
		}
	}
	questions.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestEachLineErrors(t *testing.T) {
	out := bufio.NewWriter(io.Discard)
	broken := errors.New("broken")
	err := eachLine(context.Background(), strings.NewReader("a\nb\nc\n"), out, func(line []byte) error {
		if line[0] == 'b' {
			return broken
		}
		return nil
	})
	if !errors.Is(err, broken) || err.Error() != "line 2: broken" {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	lines := 0
	err = eachLine(ctx, strings.NewReader("a\nb\nc\n"), out, func([]byte) error {
		lines++
		cancel()
		return nil
	})
	if !errors.Is(err, context.Canceled) || lines != 1 {
		t.Errorf("%d lines, %v", lines, err)
	}
}
