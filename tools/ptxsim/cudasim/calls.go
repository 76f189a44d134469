//go:build !nogpu && !android && (linux || windows) && (amd64 || arm64)

package cudasim

import (
	"bytes"
	"errors"
	"slices"
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

// locked calls f with the driver, if its context is current on this thread and no
// kernel has failed.
func (c *callbacks) locked(f func(d *Driver) code) uintptr {
	return c.onDevice(func(d *Driver) code {
		switch {
		case !d.current[thread()]:
			return invalidContext
		case d.users == 0:
			return contextDestroyed
		case d.fault != nil:
			return illegalAddress
		}
		return f(d)
	})
}

// onDevice calls f with the driver, if it was initialised.
func (c *callbacks) onDevice(f func(d *Driver) code) uintptr {
	return c.any(func(d *Driver) code {
		if !d.ready {
			return notInitialized
		}
		return f(d)
	})
}

// any calls f with the driver, if it was not closed.
func (c *callbacks) any(f func(d *Driver) code) uintptr {
	d := c.driver
	if d == nil {
		return uintptr(deinitialized)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return uintptr(f(d))
}

// outside is locked for calls that a capture may forbid.
func (c *callbacks) outside(f func(d *Driver) code) uintptr {
	return c.locked(func(d *Driver) code {
		if r := d.outsideCaptures(); r != success {
			return r
		}
		return f(d)
	})
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

// device calls f if that device is there.
func (c *callbacks) device(i uintptr, f func(d *Driver) code) uintptr {
	return c.onDevice(func(d *Driver) code {
		if i != 0 {
			return invalidDevice
		}
		return f(d)
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
var attributes = map[int32]int32{75: 8, 97: mostShared}

const (
	mostShared = 163 << 10 // bytes of dynamic shared memory, on sm_80
	mostPinned = 16 << 30  // bytes of one piece of pinned memory
)

func (c *callbacks) functions() map[string]any {
	return map[string]any{
		"cuGetErrorName":   func(e uintptr, p **byte) uintptr { return say(code(e), 0, p) },
		"cuGetErrorString": func(e uintptr, p **byte) uintptr { return say(code(e), 1, p) },
		"cuInit": func(uintptr) uintptr {
			return c.any(func(d *Driver) code {
				d.ready = true
				return success
			})
		},
		"cuDeviceGetCount": func(n *int32) uintptr {
			return c.onDevice(func(*Driver) code {
				*n = 1
				return success
			})
		},
		"cuDeviceGet": func(p *int32, i uintptr) uintptr {
			return c.device(i, func(*Driver) code {
				*p = 0
				return success
			})
		},
		"cuDeviceGetName": func(p *byte, n, dev uintptr) uintptr {
			return c.device(dev, func(*Driver) code {
				copy(bytesAt(p, n), "simulated sm_80\x00")
				return success
			})
		},
		"cuDeviceGetAttribute": func(p *int32, what, dev uintptr) uintptr {
			return c.device(dev, func(*Driver) code {
				v, ok := attributes[int32(what)]
				if !ok {
					return invalidValue
				}
				*p = v
				return success
			})
		},
		"cuDevicePrimaryCtxRetain": func(p *uintptr, dev uintptr) uintptr {
			return c.device(dev, func(d *Driver) code {
				*p = theContext
				d.users++
				return success
			})
		},
		"cuDevicePrimaryCtxRelease_v2": func(dev uintptr) uintptr {
			return c.device(dev, func(d *Driver) code {
				if d.users == 0 {
					return invalidContext
				}
				d.users--
				return success
			})
		},
		"cuCtxSetCurrent": func(ctx uintptr) uintptr {
			return c.onDevice(func(d *Driver) code {
				if ctx != 0 && (ctx != theContext || d.users == 0) {
					return invalidContext
				}
				d.current[thread()] = ctx != 0
				return success
			})
		},

		"cuMemGetInfo_v2": func(free, total *uint64) uintptr {
			return c.locked(func(d *Driver) code {
				*free, *total = uint64(d.total-d.used), uint64(d.total)
				return success
			})
		},
		"cuMemAlloc_v2": func(p *uint64, n uintptr) uintptr {
			return c.outside(func(d *Driver) (result code) {
				*p, result = d.alloc(int64(n))
				return result
			})
		},
		"cuMemFree_v2": func(p uintptr) uintptr { return c.outside(func(d *Driver) code { return d.free(uint64(p)) }) },
		"cuMemHostAlloc": func(p *uintptr, n, _ uintptr) uintptr {
			return c.outside(func(d *Driver) code {
				switch {
				case n == 0:
					return invalidValue
				case n > mostPinned:
					return outOfMemory
				}
				b := bytes.Repeat([]byte{0xff}, int(n))
				*p = uintptr(unsafe.Pointer(&b[0]))
				d.pinned[*p] = b
				return success
			})
		},
		"cuMemFreeHost": func(p uintptr) uintptr {
			return c.outside(func(d *Driver) code { return d.freePinned(p) })
		},
		"cuMemcpyHtoDAsync_v2": func(dst uintptr, src *byte, n, s uintptr) uintptr {
			return c.in(s, func(d *Driver, s *stream) code { return d.upload(s, uint64(dst), src, n) })
		},
		"cuMemcpyDtoHAsync_v2": func(dst *byte, src, n, s uintptr) uintptr {
			return c.in(s, func(d *Driver, s *stream) code { return d.download(s, dst, uint64(src), n) })
		},
		"cuMemcpyDtoDAsync_v2": func(dst, src, n, s uintptr) uintptr {
			return c.in(s, func(d *Driver, s *stream) code { return d.copyWithin(s, uint64(dst), uint64(src), int64(n)) })
		},
		"cuMemsetD8Async": func(dst, v, n, s uintptr) uintptr {
			return c.in(s, func(d *Driver, s *stream) code { return d.set(s, uint64(dst), byte(v), int64(n)) })
		},

		"cuStreamCreate": func(p *uintptr, _ uintptr) uintptr {
			return c.locked(func(d *Driver) code {
				*p = d.handle()
				d.streams[*p] = new(stream)
				return success
			})
		},
		"cuStreamDestroy_v2": func(s uintptr) uintptr {
			return c.in(s, func(d *Driver, st *stream) code {
				if st.capture != nil {
					st.capture.broken = true
					return captureUnsupported
				}
				if s == 0 {
					return invalidHandle
				}
				delete(d.streams, s)
				return st.finish(st.end())
			})
		},
		"cuStreamSynchronize": func(s uintptr) uintptr {
			return c.in(s, func(d *Driver, s *stream) code {
				d.stats.Synchronizes++
				return d.synchronize(s)
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
		"cuStreamBeginCapture_v2": func(s, mode uintptr) uintptr {
			return c.in(s, func(d *Driver, s *stream) code { return d.beginCapture(s, mode) })
		},
		"cuStreamEndCapture": func(s uintptr, p *uintptr) uintptr {
			return c.in(s, func(d *Driver, s *stream) code {
				*p = 0
				g, result := d.endCapture(s)
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
				d.stats.Synchronizes++
				if ev := d.events[e]; ev != nil {
					return d.synchronizeEvent(ev)
				}
				return invalidHandle
			})
		},

		"cuModuleLoadDataEx": func(p *uintptr, image *byte, n uintptr, options *int32, values *unsafe.Pointer) uintptr {
			return c.outside(func(d *Driver) code {
				m, err := ptxsim.Parse(text(image))
				if err != nil {
					writeLog(err.Error(), unsafe.Slice(options, int(n)), unsafe.Slice(values, int(n)))
					return invalidPTX
				}
				*p = d.handle()
				d.modules[*p] = &module{Module: m}
				return success
			})
		},
		"cuModuleUnload": func(m uintptr) uintptr {
			return c.outside(func(d *Driver) code { return d.unload(m) })
		},
		"cuModuleGetFunction": func(p *uintptr, m uintptr, name *byte) uintptr {
			return c.locked(func(d *Driver) code {
				mod := d.modules[m]
				if mod == nil {
					return invalidHandle
				}
				k := mod.Kernel(text(name))
				if k == nil {
					return notFound
				}
				*p = d.handle()
				d.kernels[*p] = &kernel{k, mod, 48<<10 - k.Shared}
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
				case what != maxDynamicShared || v > mostShared || int(v)+k.Shared > mostShared:
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
				d.execs[*p] = d.graphs[g].instantiate()
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
				if e := d.execs[g]; e != nil {
					return d.launchGraph(e, s)
				}
				return invalidHandle
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
		"cuGraphExecDestroy": func(g uintptr) uintptr { return remove(c, g, func(d *Driver) map[uintptr]*exec { return d.execs }) },
	}
}

// writeLog writes where the options of a compilation ask for the log of errors.
func writeLog(text string, options []int32, values []unsafe.Pointer) {
	const buffer, bufferBytes = 5, 6
	at, size := slices.Index(options, buffer), slices.Index(options, bufferBytes)
	if at < 0 || size < 0 || values[size] == nil {
		return
	}
	log := unsafe.Slice((*byte)(values[at]), int(uintptr(values[size])))
	log[copy(log[:len(log)-1], text)] = 0
}

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
	return c.onDevice(func(d *Driver) code {
		m := of(d)
		if _, ok := m[handle]; !ok {
			return invalidHandle
		}
		delete(m, handle)
		return success
	})
}
