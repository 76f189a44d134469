package deltaloom_test

import (
	"bytes"
	"context"
	"fmt"
	"log"
	"os"

	"github.com/deltaloom/deltaloom"
	"github.com/deltaloom/deltaloom/chat"
	"github.com/deltaloom/deltaloom/sample"
)

// A file's model answers, piece by piece.
func Example() {
	m, err := deltaloom.Open("model.gguf", deltaloom.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	s, err := m.NewSession(deltaloom.SessionOptions{})
	if err != nil {
		log.Fatal(err)
	}
	q, err := s.Begin()
	if err != nil {
		log.Fatal(err)
	}
	messages := []chat.Message{{Role: "user", Content: "What is a delta net?"}}
	o := deltaloom.GenerateOptions{Max: 200, Sample: sample.Options{Temperature: 0.8, TopK: 40}}
	for text, err := range q.Chat(context.Background(), chat.Request{Messages: messages, Generate: true}, o) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Fprint(os.Stdout, text)
	}
}

// built returns a small model with random weights, and a sequence of it.
func built() (*deltaloom.Model, *deltaloom.Session, *deltaloom.Sequence) {
	m, err := deltaloom.Synthetic("qwen3.5-tiny", 7, deltaloom.Options{})
	if err != nil {
		log.Fatal(err)
	}
	s, err := m.NewSession(deltaloom.SessionOptions{Seqs: 2})
	if err != nil {
		log.Fatal(err)
	}
	q, err := s.Begin()
	if err != nil {
		log.Fatal(err)
	}
	return m, s, q
}

// Tokens go on, and a second call evaluates only what is new in its text.
func ExampleSequence_Generate() {
	m, _, q := built()
	defer m.Close()
	text := []int32{3, 1, 4, 1, 5}
	for range 2 {
		before := q.Evaluated()
		for id, err := range q.Generate(context.Background(), text, deltaloom.GenerateOptions{Max: 3}) {
			if err != nil {
				log.Fatal(err)
			}
			text = append(text, id)
		}
		fmt.Println(len(text), "tokens,", q.Evaluated()-before, "evaluated")
	}
	// Output:
	// 8 tokens, 7 evaluated
	// 11 tokens, 3 evaluated
}

// Two texts go on from one beginning.
func ExampleSequence_Fork() {
	m, s, q := built()
	defer m.Close()
	if _, err := s.Eval(context.Background(), deltaloom.LastRow, deltaloom.Next{Seq: q, Tokens: []int32{3, 1, 4}}); err != nil {
		log.Fatal(err)
	}
	other, err := q.Fork()
	if err != nil {
		log.Fatal(err)
	}
	next := []deltaloom.Next{{Seq: q, Tokens: []int32{1}}, {Seq: other, Tokens: []int32{5, 9}}}
	if _, err := s.Eval(context.Background(), deltaloom.LastRow, next...); err != nil {
		log.Fatal(err)
	}
	fmt.Println(q.Tokens(), other.Tokens())
	// Output: [3 1 4 1] [3 1 4 5 9]
}

// A sequence is saved, and goes on in another session.
func ExampleSequence_Snapshot() {
	m, s, q := built()
	defer m.Close()
	if _, err := s.Eval(context.Background(), deltaloom.LastRow, deltaloom.Next{Seq: q, Tokens: []int32{3, 1, 4}}); err != nil {
		log.Fatal(err)
	}
	snapshot, err := q.Snapshot()
	if err != nil {
		log.Fatal(err)
	}
	var file bytes.Buffer
	if _, err := snapshot.WriteTo(&file); err != nil {
		log.Fatal(err)
	}

	saved, err := m.ReadSnapshot(&file)
	if err != nil {
		log.Fatal(err)
	}
	other, err := m.NewSession(deltaloom.SessionOptions{})
	if err != nil {
		log.Fatal(err)
	}
	again, err := other.Resume(saved)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(again.Tokens())
	// Output: [3 1 4]
}
