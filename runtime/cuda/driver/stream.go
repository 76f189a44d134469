package driver

import "unsafe"

// StreamCreate returns a stream that does not wait for the default one.
func (a *API) StreamCreate() (Stream, error) {
	const nonBlocking = 1
	var s Stream
	err := a.call(a.streamCreate, uintptr(unsafe.Pointer(&s)), nonBlocking)
	return s, err
}

// StreamDestroy frees a stream; what it still has to do is done.
func (a *API) StreamDestroy(s Stream) error { return a.call(a.streamDestroy, uintptr(s)) }

// StreamSynchronize waits until the stream has nothing to do. Errors of the work
// itself come out here, or of any other call after it.
func (a *API) StreamSynchronize(s Stream) error {
	return a.repeat(a.streamSynchronize, uintptr(s), 0, 0, 0)
}

// StreamWaitEvent lets what follows in the stream wait for what the event has
// recorded by now.
func (a *API) StreamWaitEvent(s Stream, e Event) error {
	return a.repeat(a.streamWaitEvent, uintptr(s), uintptr(e), 0, 0)
}

// EventCreate returns an event, one without a time.
func (a *API) EventCreate() (Event, error) {
	const disableTiming = 2
	var e Event
	err := a.call(a.eventCreate, uintptr(unsafe.Pointer(&e)), disableTiming)
	return e, err
}

func (a *API) EventDestroy(e Event) error { return a.call(a.eventDestroy, uintptr(e)) }

// EventRecord makes the event stand for all that the stream has been given.
func (a *API) EventRecord(e Event, s Stream) error {
	return a.repeat(a.eventRecord, uintptr(e), uintptr(s), 0, 0)
}

// EventSynchronize waits until what the event has recorded is done.
func (a *API) EventSynchronize(e Event) error {
	return a.repeat(a.eventSynchronize, uintptr(e), 0, 0, 0)
}
