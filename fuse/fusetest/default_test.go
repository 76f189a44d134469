package fusetest

import (
	"testing"

	"github.com/deltaloom/deltaloom/fuse"
)

// Every rule of the default set is held to everything, by registration alone.
func TestDefaultRules(t *testing.T) {
	for _, r := range fuse.Default() {
		t.Run(r.Name, func(t *testing.T) {
			t.Parallel()
			Prove(t, r)
		})
	}
}
