package driver

import (
	"errors"
	"strings"
	"testing"
)

// A machine without a driver gets a plain error.
func TestOpen(t *testing.T) {
	a, err := Open()
	if err == nil {
		if err := a.Init(); err != nil {
			t.Logf("a driver without a card: %v", err)
		}
		return
	}
	if !errors.Is(err, errors.ErrUnsupported) || !strings.HasPrefix(err.Error(), "no NVIDIA driver: ") {
		t.Errorf("Open: %v", err)
	}
	t.Log(err)
}

// A driver that is too old is refused by the name of what it lacks.
func TestBindMissing(t *testing.T) {
	missing := errors.New("not there")
	_, err := Bind(func(name string) (uintptr, error) {
		if name == "cuGraphUpload" {
			return 0, missing
		}
		return 1, nil
	})
	if !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("Bind: %v", err)
	}
	if supported() != nil {
		return
	}
	if !errors.Is(err, missing) || !strings.Contains(err.Error(), "cuGraphUpload") {
		t.Errorf("Bind: %v", err)
	}
}
