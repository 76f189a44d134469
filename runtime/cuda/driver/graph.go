package driver

import "unsafe"

// CaptureMode says whose calls a capture forbids to use the device in ways that
// it cannot record.
type CaptureMode int32

const (
	CaptureThreadLocal CaptureMode = 1 // those of the thread that captures
	CaptureRelaxed     CaptureMode = 2 // none
)

// StreamBeginCapture lets the stream record its work instead of doing it. Other
// streams that wait for an event of it join the capture.
func (a *API) StreamBeginCapture(s Stream, m CaptureMode) error {
	return a.call(a.streamBeginCapture, uintptr(s), uintptr(m))
}

// StreamEndCapture returns what was recorded. It must follow every
// StreamBeginCapture, also when a call between them failed.
func (a *API) StreamEndCapture(s Stream) (Graph, error) {
	var g Graph
	err := a.call(a.streamEndCapture, uintptr(s), uintptr(unsafe.Pointer(&g)))
	return g, err
}

// GraphNodes returns the number of nodes of a graph.
func (a *API) GraphNodes(g Graph) (int, error) {
	var n uint64
	err := a.call(a.graphGetNodes, uintptr(g), 0, uintptr(unsafe.Pointer(&n)))
	return int(n), err
}

func (a *API) GraphDestroy(g Graph) error { return a.call(a.graphDestroy, uintptr(g)) }

// GraphInstantiate makes a graph ready to launch, as it is now.
func (a *API) GraphInstantiate(g Graph) (GraphExec, error) {
	var e GraphExec
	err := a.call(a.graphInstantiate, uintptr(unsafe.Pointer(&e)), uintptr(g), 0)
	return e, err
}

// GraphUpload does ahead of time what the first launch would do more slowly.
func (a *API) GraphUpload(e GraphExec, s Stream) error {
	return a.call(a.graphUpload, uintptr(e), uintptr(s))
}

// GraphLaunch does the work of a graph in the order of the stream.
func (a *API) GraphLaunch(e GraphExec, s Stream) error {
	return a.repeat(a.graphLaunch, uintptr(e), uintptr(s), 0, 0)
}

func (a *API) GraphExecDestroy(e GraphExec) error { return a.call(a.graphExecDestroy, uintptr(e)) }
