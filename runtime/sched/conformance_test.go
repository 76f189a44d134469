package sched_test

import (
	"testing"

	"github.com/deltaloom/deltaloom/runtime/runtimetest"
)

// The devices that the other tests lean on pass what real ones must pass.
func TestFakesConform(t *testing.T) {
	t.Run("host", func(t *testing.T) { runtimetest.RunAll(t, newPicky("cpu", "softmax")) })
	t.Run("device", func(t *testing.T) { runtimetest.RunAll(t, newDevice("dev", "tanh")) })
}
