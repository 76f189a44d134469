package deltaloom

import (
	"testing"

	"github.com/deltaloom/deltaloom/models"
	"github.com/deltaloom/deltaloom/runtime/sched"
)

// sized is a device with so much memory.
type sized struct {
	sched.Backend
	bytes int64
}

func (s sized) Memory() (free, total int64, err error) { return s.bytes, s.bytes, nil }

// A device gets as many of the last layers as it has memory for, all or none of them.
func TestFitting(t *testing.T) {
	c, err := models.ByName("qwen3.5-tiny")
	if err != nil {
		t.Fatal(err)
	}
	last := 0
	for bytes := int64(0); bytes <= 4<<20; bytes += 64 << 10 {
		b, layers, err := fitting(sized{bytes: bytes}, c)
		if err != nil {
			t.Fatal(err)
		}
		if _, part := b.(*sched.Part); part != (layers < c.Layers) || layers < last {
			t.Errorf("%d bytes: %d of %d layers, of less memory %d, part %v", bytes, layers, c.Layers, last, part)
		}
		if last = layers; bytes == 0 && layers != 0 {
			t.Errorf("%d layers without memory", layers)
		}
	}
	if last != c.Layers {
		t.Errorf("%d of %d layers with enough memory for all", last, c.Layers)
	}
}
