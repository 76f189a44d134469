package isa

import (
	"errors"
	"testing"
)

func TestParse(t *testing.T) {
	if s, err := Parse(""); err != nil || s != Best() {
		t.Errorf(`Parse("") = %v, %v`, s, err)
	}
	for _, s := range Available() {
		if got, err := Parse(s.String()); err != nil || got != s {
			t.Errorf("Parse(%q) = %v, %v", s, got, err)
		}
	}
	if _, err := Parse("mmx"); err == nil || errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("unknown set: %v", err)
	}
	other := NEON
	if Best() == NEON {
		other = AVX2
	}
	if _, err := Parse(other.String()); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("%v: %v", other, err)
	}
}
