package main

import (
	"context"
	"io"
	"math"
	"testing"

	"github.com/deltaloom/deltaloom/graph"
)

// A wrong rewrite shows, in a result as in a state that only the next step
// would show.
func TestCheckCatches(t *testing.T) {
	const right = "%0 = input \"x\" : f32[4]\n%1 = state \"s\" : f32[4]\n%2 = add(%0, %1)\n%3 = mul(%0, %0)\noutput \"y\" = %2\nnext %1 = %3\n"
	for name, c := range map[string]struct {
		after, worst string
	}{
		"nothing": {right, ""},
		"result":  {"%0 = input \"x\" : f32[4]\n%1 = state \"s\" : f32[4]\n%2 = sub(%0, %1)\n%3 = mul(%0, %0)\noutput \"y\" = %2\nnext %1 = %3\n", "y"},
		"state":   {"%0 = input \"x\" : f32[4]\n%1 = state \"s\" : f32[4]\n%2 = add(%0, %1)\n%3 = mul(%0, %2)\noutput \"y\" = %2\nnext %1 = %3\n", "next s"},
		"no number": {"%0 = input \"x\" : f32[4]\n%1 = state \"s\" : f32[4]\n%4 = const 0\n%5 = div(%0, %4)\n%2 = add(%5, %1)\n" +
			"%3 = mul(%0, %0)\noutput \"y\" = %2\nnext %1 = %3\n", "y"},
	} {
		before, err := graph.Parse(right)
		if err != nil {
			t.Fatal(err)
		}
		after, err := graph.Parse(c.after)
		if err != nil {
			t.Fatal(err)
		}
		s := &source{text: before}
		got, err := s.check(t.Context(), &common{backend: "interp", seed: 1}, 0, 0, before, after)
		switch {
		case err != nil:
			t.Errorf("%s: %v", name, err)
		case c.worst == "" && !(got.NMSE <= checkLimit):
			t.Errorf("%s: NMSE %g", name, float64(got.NMSE))
		case c.worst != "" && (got.NMSE <= checkLimit || got.worst != c.worst):
			t.Errorf("%s: NMSE %g in %q, want much of it in %q", name, float64(got.NMSE), got.worst, c.worst)
		case name == "no number" && !math.IsInf(float64(got.NMSE), 1):
			t.Errorf("%s: NMSE %g", name, float64(got.NMSE))
		}
	}
}

func TestInterrupt(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if code := run(ctx, []string{"fuse", "--tokens", "1"}, io.Discard, io.Discard); code != exitInterrupted {
		t.Errorf("exit code %d, want %d", code, exitInterrupted)
	}
}
