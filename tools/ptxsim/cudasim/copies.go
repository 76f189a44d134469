//go:build !nogpu && !android && (linux || windows) && (amd64 || arm64)

package cudasim

import (
	"fmt"
	"slices"
	"unsafe"
)

// host returns the memory at p, and whether it is pinned.
func (d *Driver) host(p *byte, n uintptr) ([]byte, bool) {
	at := uintptr(unsafe.Pointer(p))
	for base, b := range d.pinned {
		if at >= base && at-base <= uintptr(len(b)) && n <= uintptr(len(b))-(at-base) {
			return b[at-base:][:n], true
		}
	}
	return bytesAt(p, n), false
}

// freePinned waits for all work, as the driver does. Who still holds the memory finds
// it overwritten.
func (d *Driver) freePinned(p uintptr) code {
	if d.pinned[p] == nil {
		return invalidValue
	}
	result := d.finishAll()
	for i := range d.pinned[p] {
		d.pinned[p][i] = 0xff
	}
	delete(d.pinned, p)
	return result
}

// upload reads pinned memory when the copy is done, other memory now.
func (d *Driver) upload(s *stream, dst uint64, src *byte, n uintptr) code {
	from, pinned := d.host(src, n)
	switch {
	case !d.have(dst, int64(n)):
		return invalidValue
	case !pinned && s.capture != nil:
		s.capture.broken = true
		return captureUnsupported
	case !pinned:
		from = slices.Clone(from)
	}
	if s.capture == nil {
		d.stats.HtoD++
	}
	return s.put(func() code {
		to, err := d.mem.Bytes(dst, int64(n))
		if err != nil {
			return d.fail(fmt.Errorf("copy to the card: %w", err))
		}
		if pinned && !d.isPinned(src, n) {
			return d.fail(fmt.Errorf("copy to the card: the pinned memory was freed"))
		}
		copy(to, from)
		return success
	})
}

// download writes pinned memory when the copy is done; other memory holds the data
// when the call is back.
func (d *Driver) download(s *stream, dst *byte, src uint64, n uintptr) code {
	to, pinned := d.host(dst, n)
	if !d.have(src, int64(n)) {
		return invalidValue
	}
	if s.capture == nil {
		d.stats.DtoH++
	}
	f := func() code {
		from, err := d.mem.Bytes(src, int64(n))
		if err != nil {
			return d.fail(fmt.Errorf("copy to the host: %w", err))
		}
		if pinned && !d.isPinned(dst, n) {
			return d.fail(fmt.Errorf("copy to the host: the pinned memory was freed"))
		}
		copy(to, from)
		return success
	}
	if pinned {
		return s.put(f)
	}
	if c := d.synchronize(s); c != success {
		return c
	}
	return f()
}

func (d *Driver) isPinned(p *byte, n uintptr) bool {
	_, ok := d.host(p, n)
	return ok
}

// have says that memory of the card is allocated.
func (d *Driver) have(p uint64, n int64) bool {
	_, err := d.mem.Bytes(p, n)
	return err == nil
}

// copyWithin refuses ranges that overlap, where a card does as it likes.
func (d *Driver) copyWithin(s *stream, dst, src uint64, n int64) code {
	if !d.have(dst, n) || !d.have(src, n) || dst < src+uint64(n) && src < dst+uint64(n) {
		return invalidValue
	}
	return s.put(func() code {
		to, err := d.mem.Bytes(dst, n)
		if err != nil {
			return d.fail(fmt.Errorf("copy on the card: %w", err))
		}
		from, err := d.mem.Bytes(src, n)
		if err != nil {
			return d.fail(fmt.Errorf("copy on the card: %w", err))
		}
		copy(to, from)
		return success
	})
}

func (d *Driver) set(s *stream, dst uint64, v byte, n int64) code {
	if !d.have(dst, n) {
		return invalidValue
	}
	return s.put(func() code {
		to, err := d.mem.Bytes(dst, n)
		if err != nil {
			return d.fail(fmt.Errorf("memset: %w", err))
		}
		for i := range to {
			to[i] = v
		}
		return success
	})
}
