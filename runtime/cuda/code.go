package cuda

import (
	"errors"
	"fmt"

	"github.com/deltaloom/deltaloom/runtime/cuda/driver"
	"github.com/deltaloom/deltaloom/runtime/kernels"
)

// code is the device functions that have been asked for; a family is loaded with
// the first of its kernels.
type code struct {
	b         *Backend
	modules   map[string]driver.Module
	functions map[string]driver.Function
	shared    map[string]int // the dynamic shared memory, in bytes, that a function has been allowed
}

func newCode(b *Backend) code {
	return code{b, map[string]driver.Module{}, map[string]driver.Function{}, map[string]int{}}
}

// function returns a device function that may be launched with so many bytes of
// dynamic shared memory. Unasked, a card allows 48 KiB less what the function has of
// its own.
func (c *code) function(name string, shared int) (driver.Function, error) {
	f, ok := c.functions[name]
	if !ok {
		family := kernels.Family(name)
		m, loaded := c.modules[family]
		if !loaded {
			var err error
			if m, err = c.b.api.ModuleLoadData(kernels.PTX(family)); err != nil {
				return f, fmt.Errorf("kernels of family %s: %w", family, err)
			}
			c.modules[family] = m
		}
		var err error
		if f, err = c.b.api.ModuleGetFunction(m, name); err != nil {
			return f, fmt.Errorf("kernel %s: %w", name, err)
		}
		c.functions[name] = f
	}
	if shared > c.shared[name] {
		if err := c.b.api.FuncSetMaxShared(f, shared); err != nil {
			return f, fmt.Errorf("kernel %s: %d bytes of shared memory: %w", name, shared, err)
		}
		c.shared[name] = shared
	}
	return f, nil
}

func (c *code) close() error {
	var errs []error
	for _, m := range c.modules {
		errs = append(errs, c.b.api.ModuleUnload(m))
	}
	return errors.Join(errs...)
}
