//go:build !nogpu && (linux || windows) && (amd64 || arm64)

package cudasim

import (
	"errors"
	"sync"
	"unsafe"

	"github.com/ebitengine/purego"

	"github.com/deltaloom/deltaloom/tools/ptxsim"
)

// callbacks are the functions of one driver, as C calls them.
type callbacks struct {
	driver  *Driver
	address map[string]uintptr
}

var free = struct {
	sync.Mutex
	list []*callbacks
	made int
}{}

// mostSets is how many sets of callbacks a process has room for.
const mostSets = 40

func callbacksFor(d *Driver) (*callbacks, error) {
	free.Lock()
	defer free.Unlock()
	if n := len(free.list); n > 0 {
		c := free.list[n-1]
		free.list = free.list[:n-1]
		c.driver = d
		return c, nil
	}
	if free.made == mostSets {
		return nil, errors.New("cudasim: too many drivers that were not closed")
	}
	free.made++
	c := &callbacks{driver: d, address: map[string]uintptr{}}
	for name, f := range c.functions() {
		c.address[name] = purego.NewCallback(f)
	}
	return c, nil
}

func (c *callbacks) release() {
	free.Lock()
	defer free.Unlock()
	c.driver = nil
	free.list = append(free.list, c)
}

// locked calls f with the driver, unless a kernel has failed.
func (c *callbacks) locked(f func(d *Driver) code) uintptr {
	d := c.driver
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fault != nil {
		return uintptr(illegalAddress)
	}
	return uintptr(f(d))
}

// in calls f with the stream of that handle.
func (c *callbacks) in(s uintptr, f func(d *Driver, s *stream) code) uintptr {
	return c.locked(func(d *Driver) code {
		if st := d.streams[s]; st != nil {
			return f(d, st)
		}
		return invalidHandle
	})
}

// text is a string that C ends with a zero byte.
func text(p *byte) string {
	n := 0
	for *(*byte)(unsafe.Add(unsafe.Pointer(p), n)) != 0 {
		n++
	}
	return string(unsafe.Slice(p, n))
}

func bytesAt(p *byte, n uintptr) []byte { return unsafe.Slice(p, int(n)) }

const theContext = 0x77

// attributes of the card, by the driver's numbers.
var attributes = map[int32]int32{8: 48 << 10, 16: 108, 38: 40 << 20, 75: 8, 76: 0, 97: 163 << 10}

const mostShared = 163 << 10 // bytes of dynamic shared memory, on sm_80

func (c *callbacks) functions() map[string]any {
	return map[string]any{
		"cuGetErrorName":   func(e uintptr, p **byte) uintptr { return say(code(e), 0, p) },
		"cuGetErrorString": func(e uintptr, p **byte) uintptr { return say(code(e), 1, p) },
		"cuInit":           func(uintptr) uintptr { return 0 },
		"cuDriverGetVersion": func(v *int32) uintptr {
			*v = 12000
			return 0
		},
		"cuDeviceGetCount": func(n *int32) uintptr {
			*n = 1
			return 0
		},
		"cuDeviceGet": func(p *int32, i uintptr) uintptr {
			if i != 0 {
				return uintptr(invalidDevice)
			}
			*p = 0
			return 0
		},
		"cuDeviceGetName": func(p *byte, n, _ uintptr) uintptr {
			copy(bytesAt(p, n), "simulated sm_80\x00")
			return 0
		},
		"cuDeviceGetAttribute": func(p *int32, what, _ uintptr) uintptr {
			v, ok := attributes[int32(what)]
			if !ok {
				return uintptr(invalidValue)
			}
			*p = v
			return 0
		},
		"cuDeviceTotalMem_v2": func(p *uint64, _ uintptr) uintptr {
			*p = uint64(c.driver.total)
			return 0
		},
		"cuDevicePrimaryCtxRetain": func(p *uintptr, _ uintptr) uintptr {
			*p = theContext
			return 0
		},
		"cuDevicePrimaryCtxRelease_v2": func(uintptr) uintptr { return 0 },
		"cuCtxSetCurrent": func(ctx uintptr) uintptr {
			if ctx != 0 && ctx != theContext {
				return uintptr(invalidContext)
			}
			return 0
		},

		"cuMemGetInfo_v2": func(free, total *uint64) uintptr {
			return c.locked(func(d *Driver) code {
				*free, *total = uint64(d.total-d.used), uint64(d.total)
				return success
			})
		},
		"cuMemAlloc_v2": func(p *uint64, n uintptr) uintptr {
			return c.locked(func(d *Driver) (result code) {
				*p, result = d.alloc(int64(n))
				return result
			})
		},
		"cuMemFree_v2": func(p uintptr) uintptr { return c.locked(func(d *Driver) code { return d.free(uint64(p)) }) },
		"cuMemHostAlloc": func(p *uintptr, n, _ uintptr) uintptr {
			return c.locked(func(d *Driver) code {
				b := make([]byte, n+1)
				at := uintptr(unsafe.Pointer(&b[0]))
				d.pinned[at], *p = b[:n], at
				return success
			})
		},
		"cuMemFreeHost": func(p uintptr) uintptr {
			return c.locked(func(d *Driver) code {
				if d.pinned[p] == nil {
					return invalidValue
				}
				delete(d.pinned, p)
				return success
			})
		},
		"cuMemcpyHtoDAsync_v2": func(dst uintptr, src *byte, n, s uintptr) uintptr {
			return c.in(s, func(d *Driver, s *stream) code { return d.upload(s, uint64(dst), src, n) })
		},
		"cuMemcpyDtoHAsync_v2": func(dst *byte, src, n, s uintptr) uintptr {
			return c.in(s, func(d *Driver, s *stream) code { return d.download(s, dst, uint64(src), n) })
		},
		"cuMemcpyDtoDAsync_v2": func(dst, src, n, s uintptr) uintptr {
			return c.in(s, func(d *Driver, s *stream) code {
				return s.put(false, func() code {
					to, err := d.mem.Bytes(uint64(dst), int64(n))
					from, err2 := d.mem.Bytes(uint64(src), int64(n))
					if err != nil || err2 != nil {
						return invalidValue
					}
					copy(to, from)
					return success
				})
			})
		},
		"cuMemsetD8Async": func(dst, v, n, s uintptr) uintptr {
			return c.in(s, func(d *Driver, s *stream) code {
				return s.put(false, func() code {
					to, err := d.mem.Bytes(uint64(dst), int64(n))
					if err != nil {
						return invalidValue
					}
					for i := range to {
						to[i] = byte(v)
					}
					return success
				})
			})
		},

		"cuStreamCreate": func(p *uintptr, _ uintptr) uintptr {
			return c.locked(func(d *Driver) code {
				*p = d.handle()
				d.streams[*p] = &stream{d: d}
				return success
			})
		},
		"cuStreamDestroy_v2": func(s uintptr) uintptr {
			return c.in(s, func(d *Driver, st *stream) code {
				result := st.synchronize()
				delete(d.streams, s)
				return result
			})
		},
		"cuStreamSynchronize": func(s uintptr) uintptr {
			return c.in(s, func(d *Driver, s *stream) code {
				d.stats.Synchronizes++
				return s.synchronize()
			})
		},
		"cuStreamWaitEvent": func(s, e, _ uintptr) uintptr {
			return c.in(s, func(d *Driver, s *stream) code {
				if ev := d.events[e]; ev != nil {
					return s.wait(ev)
				}
				return invalidHandle
			})
		},
		"cuStreamBeginCapture_v2": func(s, _ uintptr) uintptr {
			return c.in(s, func(_ *Driver, s *stream) code { return s.begin() })
		},
		"cuStreamEndCapture": func(s uintptr, p *uintptr) uintptr {
			return c.in(s, func(d *Driver, s *stream) code {
				g, result := s.end()
				if result == success {
					*p = d.handle()
					d.graphs[*p] = g
				}
				return result
			})
		},
		"cuEventCreate": func(p *uintptr, _ uintptr) uintptr {
			return c.locked(func(d *Driver) code {
				*p = d.handle()
				d.events[*p] = &event{}
				return success
			})
		},
		"cuEventDestroy_v2": func(e uintptr) uintptr { return remove(c, e, func(d *Driver) map[uintptr]*event { return d.events }) },
		"cuEventRecord": func(e, s uintptr) uintptr {
			return c.in(s, func(d *Driver, s *stream) code {
				if ev := d.events[e]; ev != nil {
					return s.record(ev)
				}
				return invalidHandle
			})
		},
		"cuEventSynchronize": func(e uintptr) uintptr {
			return c.locked(func(d *Driver) code {
				ev := d.events[e]
				switch {
				case ev == nil:
					return invalidHandle
				case ev.capture != nil:
					return captureUnsupported
				case ev.at == nil:
					return success
				}
				return ev.at.finish(ev.count)
			})
		},
		"cuEventElapsedTime": func(ms *float32, _, _ uintptr) uintptr {
			*ms = 0 // there is no time here
			return 0
		},

		"cuModuleLoadDataEx": func(p *uintptr, image *byte, n uintptr, options *int32, values *unsafe.Pointer) uintptr {
			return c.locked(func(d *Driver) code {
				m, err := ptxsim.Parse(text(image))
				if err != nil {
					for i, o := range unsafe.Slice(options, int(n)) {
						if o == errorLogBuffer {
							log := unsafe.Slice((*byte)(unsafe.Slice(values, int(n))[i]), mostLog)
							log[copy(log[:mostLog-1], err.Error())] = 0
						}
					}
					return invalidPTX
				}
				*p = d.handle()
				d.modules[*p] = m
				return success
			})
		},
		"cuModuleUnload": func(m uintptr) uintptr {
			return remove(c, m, func(d *Driver) map[uintptr]*ptxsim.Module { return d.modules })
		},
		"cuModuleGetFunction": func(p *uintptr, m uintptr, name *byte) uintptr {
			return c.locked(func(d *Driver) code {
				if d.modules[m] == nil {
					return invalidHandle
				}
				k := d.modules[m].Kernel(text(name))
				if k == nil {
					return notFound
				}
				*p = d.handle()
				d.kernels[*p] = &kernel{k, 48<<10 - k.Shared}
				return success
			})
		},
		"cuFuncSetAttribute": func(f, what, v uintptr) uintptr {
			return c.locked(func(d *Driver) code {
				const maxDynamicShared = 8
				k := d.kernels[f]
				switch {
				case k == nil:
					return invalidHandle
				case what != maxDynamicShared || int(v)+k.Shared > mostShared:
					return invalidValue
				}
				k.shared = int(v)
				return success
			})
		},
		"cuLaunchKernel": func(f, gx, gy, gz, bx, by, bz, shared, s uintptr, params *unsafe.Pointer, _ uintptr) uintptr {
			return c.in(s, func(d *Driver, s *stream) code {
				return d.launch(s, f, [3]uint32{uint32(gx), uint32(gy), uint32(gz)}, [3]uint32{uint32(bx), uint32(by), uint32(bz)}, int(shared), params)
			})
		},

		"cuGraphInstantiateWithFlags": func(p *uintptr, g, _ uintptr) uintptr {
			return c.locked(func(d *Driver) code {
				if d.graphs[g] == nil {
					return invalidHandle
				}
				*p = d.handle()
				d.execs[*p] = d.graphs[g]
				return success
			})
		},
		"cuGraphUpload": func(g, s uintptr) uintptr {
			return c.in(s, func(d *Driver, _ *stream) code {
				if d.execs[g] == nil {
					return invalidHandle
				}
				return success
			})
		},
		"cuGraphLaunch": func(g, s uintptr) uintptr {
			return c.in(s, func(d *Driver, s *stream) code {
				e := d.execs[g]
				switch {
				case e == nil:
					return invalidHandle
				case s.capture != nil:
					return captureUnsupported
				}
				d.stats.GraphLaunches++
				d.stats.GraphNodes += len(e.nodes)
				for _, f := range e.nodes {
					s.queue = append(s.queue, f)
				}
				return success
			})
		},
		"cuGraphGetNodes": func(g, _ uintptr, n *uint64) uintptr {
			return c.locked(func(d *Driver) code {
				if d.graphs[g] == nil {
					return invalidHandle
				}
				*n = uint64(len(d.graphs[g].nodes))
				return success
			})
		},
		"cuGraphDestroy":     func(g uintptr) uintptr { return remove(c, g, func(d *Driver) map[uintptr]*graph { return d.graphs }) },
		"cuGraphExecDestroy": func(g uintptr) uintptr { return remove(c, g, func(d *Driver) map[uintptr]*graph { return d.execs }) },
	}
}

const (
	errorLogBuffer = 5
	mostLog        = 4096
)

func say(e code, i int, p **byte) uintptr {
	text, ok := codes[e]
	if !ok {
		*p = nil
		return uintptr(invalidValue)
	}
	*p = &text[i][0]
	return 0
}

// remove forgets an object. A failed kernel does not keep it: what was made must be
// given back all the same.
func remove[T any](c *callbacks, handle uintptr, of func(d *Driver) map[uintptr]T) uintptr {
	d := c.driver
	d.mu.Lock()
	defer d.mu.Unlock()
	m := of(d)
	if _, ok := m[handle]; !ok {
		return uintptr(invalidHandle)
	}
	delete(m, handle)
	return 0
}

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

// upload reads pinned memory when the copy is done, other memory now.
func (d *Driver) upload(s *stream, dst uint64, src *byte, n uintptr) code {
	if n == 0 {
		return success
	}
	from, pinned := d.host(src, n)
	if !pinned {
		if s.capture != nil {
			s.capture.broken = true
			return captureUnsupported
		}
		from = append([]byte(nil), from...)
	}
	d.stats.HtoD++
	return s.put(false, func() code {
		to, err := d.mem.Bytes(dst, int64(n))
		if err != nil {
			return invalidValue
		}
		copy(to, from)
		return success
	})
}

// download writes pinned memory when the copy is done; other memory holds the data
// when the call is back.
func (d *Driver) download(s *stream, dst *byte, src uint64, n uintptr) code {
	if n == 0 {
		return success
	}
	to, pinned := d.host(dst, n)
	d.stats.DtoH++
	f := func() code {
		from, err := d.mem.Bytes(src, int64(n))
		if err != nil {
			return invalidValue
		}
		copy(to, from)
		return success
	}
	if pinned {
		return s.put(false, f)
	}
	if c := s.synchronize(); c != success {
		return c
	}
	return f()
}

func (d *Driver) launch(s *stream, f uintptr, grid, block [3]uint32, shared int, params *unsafe.Pointer) code {
	k := d.kernels[f]
	switch {
	case k == nil:
		return invalidHandle
	case grid[1] > 65535 || grid[2] > 65535 || shared > k.shared:
		return invalidValue
	}
	for _, n := range []uint32{grid[0], grid[1], grid[2], block[0], block[1], block[2]} {
		if n == 0 || n > 1<<31-1 {
			return invalidValue
		}
	}
	threads := uint64(block[0]) * uint64(block[1]) * uint64(block[2])
	if threads > 1024 || k.MaxThreads > 0 && threads > uint64(k.MaxThreads) {
		return invalidValue
	}
	l := launched{k: k, grid: grid, block: block, shared: shared}
	list := k.Params()
	for i, p := range unsafe.Slice(params, len(list)) {
		l.params = append(l.params, make([]byte, list[i].Offset-len(l.params))...)
		l.params = append(l.params, unsafe.Slice((*byte)(p), list[i].Size)...)
	}
	if s.capture == nil {
		d.stats.Launches++
	}
	return s.put(true, func() code { return d.run(l) })
}
