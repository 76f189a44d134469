package gorgonia_test

import (
	"os"
	"strings"
	"testing"

	// Gorgonia asks for a version of this package that panics at start under
	// Go 1.21 and later, so go.mod requires a newer one. The import keeps go mod
	// tidy from calling that requirement indirect, and people from removing it.
	_ "go4.org/unsafe/assume-no-moving-gc"
)

func TestPin(t *testing.T) {
	text, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"go4.org/unsafe/assume-no-moving-gc v0.0.0-20231121144256-b99613f794b6",
		"gorgonia.org/gorgonia v0.9.18",
		"gorgonia.org/tensor v0.9.24",
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("go.mod does not require %s", want)
		}
	}
}
