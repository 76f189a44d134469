package graphviz

import (
	"fmt"
	"strings"
	"testing"

	"github.com/deltaloom/deltaloom/graph"
	_ "github.com/deltaloom/deltaloom/ops"
)

func TestLayerOf(t *testing.T) {
	for scope, want := range map[string]string{
		"":                     " 0 ",
		"head":                 " 0 head",
		"blk.3":                "blk.3 3 ",
		"blk.3.gdn":            "blk.3 3 gdn",
		"blk.3.gdn.conv.1":     "blk.3 3 gdn",
		"model.layers.12.attn": "model.layers.12 12 attn",
		"7.ffn":                "7 7 ffn",
		"v1x.conv1d":           " 0 v1x.conv1d",
		"blk.99999999999":      " 0 blk.99999999999",
	} {
		key, number, part := layerOf(scope)
		if have := fmt.Sprintf("%s %d %s", key, number, part); have != want {
			t.Errorf("%q: have %q, want %q", scope, have, want)
		}
	}
}

func TestKinds(t *testing.T) {
	// Layer 1 makes the mask that layer 3 uses too; the numbers in names are of
	// the layer or of something else; 4 differs in a shape, 5 in an attribute.
	var b strings.Builder
	b.WriteString("%p = input \"pos\" : i32[1 2]\n%x = input \"x\" : f32[1 2 4]\n")
	x := "%x"
	for l := range 6 {
		at := fmt.Sprintf(" @blk.%d\n", l)
		line := func(format string, args ...any) { b.WriteString(fmt.Sprintf(format, args...) + at) }
		rows := 4
		if l == 4 {
			rows = 8
		}
		eps := 0.5
		if l == 5 {
			eps = 0.25
		}
		line("%%a%d = weight \"blk.%d.conv1d.weight_l%d\" : f32[%d 4]", l, l, l, rows)
		line("%%b%d = matmul(%s, %%a%d)", l, x, l)
		line("%%c%d = rms_norm(%%b%d) {eps=%g}", l, l, eps)
		x = fmt.Sprintf("%%c%d", l)
		if l == 1 {
			line("%%m = causal_mask(%%p) {n=4}")
		}
		if l == 1 || l == 3 {
			line("%%d%d = add(%%c%d, %%m)", l, l)
			x = fmt.Sprintf("%%d%d", l)
		}
		if l == 4 {
			line("%%s%d = slice(%s) {axis=2, n=4}", l, x)
			x = fmt.Sprintf("%%s%d", l)
		}
	}
	b.WriteString("output \"y\" = " + x)
	g, err := graph.Parse(b.String())
	if err != nil {
		t.Fatal(err)
	}
	var have []string
	for _, k := range kinds(g) {
		have = append(have, ranges(k.numbers))
	}
	if got, want := strings.Join(have, " | "), "0, 2 | 1, 3 | 4 | 5"; got != want {
		t.Errorf("have %s\nwant %s\n%s", got, want, g)
	}
}

func TestRanges(t *testing.T) {
	for want, numbers := range map[string][]int{
		"":            nil,
		"3":           {3},
		"0-2":         {2, 0, 1},
		"0-1, 4, 6-8": {6, 7, 8, 0, 1, 4},
	} {
		if have := ranges(numbers); have != want {
			t.Errorf("%v: have %q, want %q", numbers, have, want)
		}
	}
}
