package models

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/deltaloom/deltaloom/gguf"
)

// key ties metadata to the fields of a Config, for reading and for writing.
type key struct {
	name  string                             // without the architecture's prefix
	read  func(f *gguf.File, k string) error // k is the whole name
	value func() any                         // as gguf.Writer takes it; nil: leave it out
}

// KV is one entry of metadata.
type KV struct {
	Key   string
	Value any // of a type that gguf.Writer takes
}

// FromGGUF reads the hyper-parameters of a model and checks that the file has
// every weight, in the shape that they ask for. Tensors that the model does not
// know are passed over, multi-token-prediction blocks among them.
func FromGGUF(f *gguf.File) (*Config, error) {
	c := &Config{}
	if err := c.read(f); err != nil {
		return nil, fmt.Errorf("models: %w", err)
	}
	return c, nil
}

func (c *Config) read(f *gguf.File) error {
	if err := c.readKeys(f); err != nil {
		return err
	}
	_, output := f.Tensor(outputWeight)
	c.Tied = !output
	a, err := c.validate()
	if err != nil {
		return err
	}
	return c.bind(a, f)
}

func (c *Config) readKeys(f *gguf.File) (err error) {
	if c.Arch, err = gguf.Get[string](f, "general.architecture"); err != nil {
		return err
	}
	a, err := lookup(c.Arch)
	if err != nil {
		return err
	}
	if c.Name, err = gguf.GetOr(f, "general.name", ""); err != nil {
		return err
	}
	for _, k := range a.keys(c) {
		if err := k.read(f, c.Arch+"."+k.name); err != nil {
			return err
		}
	}
	return nil
}

// Metadata returns the entries from which FromGGUF reads the same Config.
func (c *Config) Metadata() []KV {
	kvs := []KV{{"general.architecture", c.Arch}, {"general.name", c.Name}}
	a, err := lookup(c.Arch)
	if err != nil {
		return kvs
	}
	for _, k := range a.keys(c) {
		if v := k.value(); v != nil {
			kvs = append(kvs, KV{c.Arch + "." + k.name, v})
		}
	}
	return kvs
}

// wrong is the error about a value; want says what is expected.
func wrong(key string, have any, want string, args ...any) error {
	return fmt.Errorf("%s: %v, want %s", key, have, fmt.Sprintf(want, args...))
}

// count is a required whole number, at least 1.
func count(name string, p *int) key {
	return key{name, func(f *gguf.File, k string) (err error) {
		if *p, err = gguf.Get[int](f, k); err == nil && *p < 1 {
			err = wrong(k, *p, "at least 1")
		}
		return err
	}, func() any { return uint32(*p) }}
}

// optionalCount is a whole number, 0 where it is missing.
func optionalCount(name string, p *int) key {
	return key{name, func(f *gguf.File, k string) (err error) {
		if *p, err = gguf.GetOr(f, k, 0); err == nil && *p < 0 {
			err = wrong(k, *p, "0 or more")
		}
		return err
	}, func() any {
		if *p == 0 {
			return nil
		}
		return uint32(*p)
	}}
}

// beyond is a required whole number, the sum of *p and another key's value.
func beyond(name string, p *int, other string, n func() int) key {
	return key{name, func(f *gguf.File, k string) error {
		v, err := gguf.Get[int](f, k)
		if *p = v - n(); err == nil && *p < 1 {
			err = wrong(k, v, "more than %s%s = %d", strings.TrimSuffix(k, name), other, n())
		}
		return err
	}, func() any { return uint32(*p + n()) }}
}

// yesNo is a yes or no; missing stands for no.
func yesNo(name string, p *bool) key {
	return key{name, func(f *gguf.File, k string) (err error) {
		*p, err = gguf.GetOr(f, k, false)
		return err
	}, func() any { return *p }}
}

// implied sets what no key of a file says.
func implied(set func()) key {
	return key{"", func(*gguf.File, string) error { set(); return nil }, func() any { return nil }}
}

// number is a required finite number above 0.
func number(name string, p *float32) key {
	return key{name, func(f *gguf.File, k string) (err error) {
		if *p, err = gguf.Get[float32](f, k); err == nil {
			err = positive(k, *p)
		}
		return err
	}, func() any { return *p }}
}

// optionalNumber is a finite number; missing or 0 stands for a default.
func optionalNumber(name string, p *float32) key {
	return key{name, func(f *gguf.File, k string) (err error) {
		if *p, err = gguf.GetOr[float32](f, k, 0); err == nil && *p != 0 {
			err = positive(k, *p)
		}
		return err
	}, func() any {
		if *p == 0 {
			return nil
		}
		return *p
	}}
}

func positive(k string, v float32) error {
	if !(v > 0) || math.IsInf(float64(v), 0) {
		return wrong(k, v, "a finite number above 0")
	}
	return nil
}

// derived is a key whose value follows from others; a file must agree.
func derived(name string, want func() int, why string) key {
	return key{name, func(f *gguf.File, k string) error {
		v, err := gguf.Get[int](f, k)
		if err == nil && v != want() {
			err = wrong(k, v, "%d (%s)", want(), why)
		}
		return err
	}, func() any { return uint32(want()) }}
}

// blockCount is the number of layers: the blocks of the file less those of
// multi-token prediction at its end.
func blockCount(c *Config) key {
	const mtp = "nextn_predict_layers"
	return key{"block_count", func(f *gguf.File, k string) error {
		blocks, err := gguf.Get[int](f, k)
		if err != nil {
			return err
		}
		skip, err := gguf.GetOr(f, c.Arch+"."+mtp, 0)
		if err != nil {
			return err
		}
		if skip < 0 {
			return wrong(c.Arch+"."+mtp, skip, "0 or more")
		}
		if c.Layers = blocks - skip; c.Layers < 1 {
			return wrong(k, blocks, "more than %s.%s = %d", c.Arch, mtp, skip)
		}
		if c.Layers > maxLayers {
			return wrong(k, blocks, "at most %d layers", maxLayers)
		}
		return nil
	}, func() any { return uint32(c.Layers) }}
}

// maxLayers keeps a lying file from making us allocate; the largest model has 93.
const maxLayers = 4096

// vocabulary is the number of tokens, which files without the key state by
// their list of tokens.
func vocabulary(c *Config) key {
	const tokens = "tokenizer.ggml.tokens"
	return key{"vocab_size", func(f *gguf.File, k string) (err error) {
		c.Vocab, err = gguf.Get[int](f, k)
		if errors.Is(err, gguf.ErrNoKey) {
			list, ok := f.KV(tokens)
			if !ok || list.Type != gguf.Array {
				return fmt.Errorf("%w, nor a list %s", err, tokens)
			}
			c.Vocab, err, k = list.Len, nil, tokens
		}
		if err == nil && c.Vocab < 1 {
			err = wrong(k, c.Vocab, "at least 1 token")
		}
		return err
	}, func() any { return uint32(c.Vocab) }}
}

// layerPattern says which layers are recurrent: a list by layer, or else every
// layer but each interval-th.
func layerPattern(c *Config) []key {
	const list, interval = "attention.recurrent_layers", "full_attention_interval"
	n, regular := patternInterval(c.Recurrent)
	return []key{
		{interval, func(f *gguf.File, k string) error {
			n, err := gguf.GetOr(f, k, 4)
			if err == nil && n < 1 {
				err = wrong(k, n, "at least 1")
			}
			if err != nil {
				return err
			}
			c.Recurrent = everyNth(c.Layers, n)
			return nil
		}, func() any {
			if !regular {
				return nil
			}
			return uint32(n)
		}},
		{list, func(f *gguf.File, k string) error {
			layers, err := gguf.GetArray[bool](f, k)
			switch {
			case errors.Is(err, gguf.ErrNoKey):
				return nil
			case err != nil:
				return err
			case len(layers) < c.Layers: // blocks of multi-token prediction may be listed too
				return wrong(k, fmt.Sprintf("%d entries", len(layers)), "one for each of %d layers", c.Layers)
			}
			c.Recurrent = layers[:c.Layers]
			return nil
		}, func() any {
			if regular {
				return nil
			}
			return c.Recurrent
		}},
	}
}

// patternInterval returns the interval that gives the pattern, where there is one.
func patternInterval(recurrent []bool) (n int, ok bool) {
	n = 1
	for n <= len(recurrent) && recurrent[n-1] {
		n++
	}
	for i, r := range recurrent {
		if r != ((i+1)%n != 0) {
			return 0, false
		}
	}
	return n, true
}

// sections is the list of four that splits the rotated pairs among the position
// streams.
func sections(name string, p *[4]int) key {
	return key{name, func(f *gguf.File, k string) error {
		v, err := gguf.GetArray[int](f, k)
		if err == nil && len(v) != len(p) {
			err = wrong(k, v, "%d numbers", len(p))
		}
		if err != nil {
			return err
		}
		copy(p[:], v)
		return nil
	}, func() any {
		return []int32{int32(p[0]), int32(p[1]), int32(p[2]), int32(p[3])}
	}}
}
