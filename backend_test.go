package deltaloom_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/deltaloom/deltaloom"
	"github.com/deltaloom/deltaloom/runtime/interp"
	"github.com/deltaloom/deltaloom/runtime/sched"
)

// Where a device's driver is absent, auto takes the processor and the device's own name
// says what is missing; any other error is one for both.
func TestDeviceFallback(t *testing.T) {
	open := func(err error) func() (sched.Backend, error) {
		return func() (sched.Backend, error) { return nil, err }
	}
	// There is no way to take a backend back: this one is as absent as before.
	defer deltaloom.RegisterBackend("metal", open(fmt.Errorf("metal: %w", errors.ErrUnsupported)))

	deltaloom.RegisterBackend("metal", open(fmt.Errorf("metal: no such framework: %w", errors.ErrUnsupported)))
	b, err := deltaloom.NewBackend("auto", 1, deltaloom.FloatActivations)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if b.Name() != "cpu" {
		t.Errorf("auto is %s, want cpu", b.Name())
	}
	if _, err := deltaloom.NewBackend("metal", 1, deltaloom.FloatActivations); !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), "backend metal: no such framework") {
		t.Errorf("metal: %v", err)
	}

	broken := errors.New("metal: the card has fallen off the bus")
	deltaloom.RegisterBackend("metal", open(broken))
	if _, err := deltaloom.NewBackend("auto", 1, deltaloom.FloatActivations); !errors.Is(err, broken) {
		t.Errorf("auto: %v, want the device's error", err)
	}
	deltaloom.RegisterBackend("metal", func() (sched.Backend, error) { return interp.New(), nil })
	if b, err := deltaloom.NewBackend("auto", 1, deltaloom.FloatActivations); err != nil || b.Name() != "interp" {
		t.Errorf("auto: %v, want the device that was registered", err)
	}
}
