package main

import "testing"

func TestCells(t *testing.T) {
	for _, c := range []struct {
		value any
		want  string
	}{
		{count(0), "0"}, {count(999), "999"}, {count(1000), "1,000"}, {count(-1234567), "-1,234,567"}, {count(-999), "-999"},
		{byteSize(0), "0 B"}, {byteSize(999), "999 B"}, {byteSize(1000), "1 kB"}, {byteSize(232960), "233 kB"}, {byteSize(999600), "1 MB"}, {byteSize(4.4e9), "4.4 GB"},
		{1.234567e-12, "1.23e-12"}, {"text", "text"}, {7, "7"}, {true, "true"},
	} {
		if got := cell(c.value); got != c.want {
			t.Errorf("%#v: %q, want %q", c.value, got, c.want)
		}
	}
	if a, b, c := plural(1, "node"), plural(0, "node"), plural(2000, "node"); a != "1 node" || b != "0 nodes" || c != "2,000 nodes" {
		t.Error(a, b, c)
	}
	for n, want := range map[int64]string{7: "7", 113816: "114k", 752393024: "752M", 26895998464: "26.9B"} {
		if got := short(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"abc", "", 3}, {"", "abc", 3}, {"fuse", "fuze", 1}, {"kitten", "sitting", 3}, {"abc", "abc", 0}} {
		if got := distance(c.a, c.b); got != c.want {
			t.Errorf("%q to %q: %d, want %d", c.a, c.b, got, c.want)
		}
	}
}
