package cuda

import (
	"errors"
	"fmt"

	"github.com/deltaloom/deltaloom/runtime/cuda/driver"
	"github.com/deltaloom/deltaloom/runtime/sched"
)

// memory is a sched.Buffer on the card.
type memory struct {
	b    *Backend
	ptr  driver.Ptr
	size int64
}

func (m *memory) Size() int64 { return m.size }

// Free gives the memory back to the pool. What is under way may still use it: the
// next owner's work comes later in the stream.
func (m *memory) Free() {
	m.b.mu.Lock()
	defer m.b.mu.Unlock()
	m.b.memory.put(m.ptr, m.size)
}

// pool keeps memory that was freed for the next one who wants as much. The driver
// waits for all work when memory is allocated or freed.
type pool struct {
	b    *Backend
	free map[int64][]driver.Ptr // by rounded size
	kept int64                  // bytes
}

// mostKept is how much memory that nobody uses is kept.
const mostKept = 256 << 20

// mostBytes is more than any card has, and can be rounded.
const mostBytes = 1 << 60

// rounded is the size of the allocation for so many bytes.
func rounded(bytes int64) int64 {
	step := int64(512)
	if bytes > 1<<20 {
		step = 2 << 20
	}
	return max(step, (bytes+step-1)/step*step)
}

func (p *pool) get(bytes int64) (driver.Ptr, error) {
	size := rounded(bytes)
	if list := p.free[size]; len(list) > 0 {
		p.free[size], p.kept = list[:len(list)-1], p.kept-size
		return list[len(list)-1], nil
	}
	ptr, err := p.b.api.MemAlloc(size)
	if errors.Is(err, driver.OutOfMemory) && p.kept > 0 {
		if err = p.close(); err == nil {
			ptr, err = p.b.api.MemAlloc(size)
		}
	}
	return ptr, err
}

func (p *pool) put(ptr driver.Ptr, bytes int64) {
	size := rounded(bytes)
	if p.free == nil {
		p.free = map[int64][]driver.Ptr{}
	}
	p.free[size], p.kept = append(p.free[size], ptr), p.kept+size
}

// trim gives memory back to the driver until no more than most bytes are kept.
func (p *pool) trim(most int64) error {
	for size, list := range p.free {
		for ; len(list) > 0 && p.kept > most; list = list[1:] {
			p.free[size], p.kept = list[1:], p.kept-size
			if err := p.b.api.MemFree(list[0]); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *pool) close() error { return p.trim(0) }

// Alloc returns zeroed memory of the card.
func (b *Backend) Alloc(bytes int64) (sched.Buffer, error) {
	if bytes < 0 || bytes > mostBytes {
		return nil, fmt.Errorf("cuda: cannot allocate %d bytes", bytes)
	}
	leave, err := b.enter()
	if err != nil {
		return nil, err
	}
	defer leave()
	if err := errors.Join(b.staging.flush(), b.memory.trim(mostKept)); err != nil {
		return nil, err
	}
	ptr, err := b.memory.get(bytes)
	if err != nil {
		return nil, err
	}
	m := &memory{b, ptr, bytes}
	if err := b.api.MemsetD8(ptr, 0, rounded(bytes), b.stream); err != nil {
		return nil, errors.Join(err, b.api.MemFree(ptr))
	}
	return m, nil
}

// Zero clears memory of the card.
func (b *Backend) Zero(dst sched.Span) error {
	if dst.Len == 0 {
		return nil
	}
	leave, err := b.enter()
	if err != nil {
		return err
	}
	defer leave()
	if err := b.staging.flush(); err != nil {
		return err
	}
	return b.api.MemsetD8(dst.Buf.(*memory).ptr+driver.Ptr(dst.Off), 0, dst.Len, b.stream)
}

// CopyToArena is Copy from host memory; pieces that lie side by side are one transfer.
func (b *Backend) CopyToArena(dst, src sched.Span) error {
	leave, err := b.enter()
	if err != nil {
		return err
	}
	defer leave()
	return b.staging.join(dst.Buf.(*memory), dst.Off, src.Bytes())
}

// Copy moves bytes to, from or within the card. It waits for those that go to host
// memory; small ones from host memory are put aside for the card to fetch.
func (b *Backend) Copy(dst, src sched.Span) error {
	if dst.Len == 0 {
		return nil
	}
	leave, err := b.enter()
	if err != nil {
		return err
	}
	defer leave()
	to, toCard := dst.Buf.(*memory)
	from, fromCard := src.Buf.(*memory)
	if toCard && !fromCard {
		return b.staging.upload(to, dst.Off, src.Bytes())
	}
	if err := b.staging.flush(); err != nil {
		return err
	}
	if toCard {
		return b.api.DtoD(to.ptr+driver.Ptr(dst.Off), from.ptr+driver.Ptr(src.Off), src.Len, b.stream)
	}
	if err := b.api.DtoH(dst.Bytes(), from.ptr+driver.Ptr(src.Off), b.stream); err != nil {
		return err
	}
	return b.api.StreamSynchronize(b.stream)
}
