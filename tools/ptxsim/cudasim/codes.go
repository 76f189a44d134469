//go:build !nogpu && !android && (linux || windows) && (amd64 || arm64)

package cudasim

// code is a result of the driver's API.
type code uintptr

const (
	success            code = 0
	invalidValue       code = 1
	outOfMemory        code = 2
	notInitialized     code = 3
	deinitialized      code = 4
	invalidDevice      code = 101
	invalidContext     code = 201
	invalidPTX         code = 218
	invalidHandle      code = 400
	illegalState       code = 401
	notFound           code = 500
	illegalAddress     code = 700
	contextDestroyed   code = 709
	captureUnsupported code = 900
	captureInvalidated code = 901
	captureMerge       code = 902
	captureUnmatched   code = 903
	captureUnjoined    code = 904
	captureIsolation   code = 905
	capturedEvent      code = 907
	captureThread      code = 908
)

// codes are the names and words of the results, zero-terminated.
var codes = map[code][2][]byte{}

func init() {
	for c, text := range map[code][2]string{
		success:            {"CUDA_SUCCESS", "no error"},
		invalidValue:       {"CUDA_ERROR_INVALID_VALUE", "invalid argument"},
		outOfMemory:        {"CUDA_ERROR_OUT_OF_MEMORY", "out of memory"},
		notInitialized:     {"CUDA_ERROR_NOT_INITIALIZED", "the driver was not initialized"},
		deinitialized:      {"CUDA_ERROR_DEINITIALIZED", "the driver was closed"},
		contextDestroyed:   {"CUDA_ERROR_CONTEXT_IS_DESTROYED", "the context is gone"},
		invalidDevice:      {"CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"},
		invalidContext:     {"CUDA_ERROR_INVALID_CONTEXT", "invalid device context"},
		invalidPTX:         {"CUDA_ERROR_INVALID_PTX", "a PTX JIT compilation failed"},
		invalidHandle:      {"CUDA_ERROR_INVALID_HANDLE", "invalid resource handle"},
		illegalState:       {"CUDA_ERROR_ILLEGAL_STATE", "not in a state for this call"},
		captureMerge:       {"CUDA_ERROR_STREAM_CAPTURE_MERGE", "this would merge two captures"},
		captureIsolation:   {"CUDA_ERROR_STREAM_CAPTURE_ISOLATION", "the capture would depend on work outside of it"},
		capturedEvent:      {"CUDA_ERROR_CAPTURED_EVENT", "the event was recorded in a capture"},
		captureThread:      {"CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD", "the capture began on another thread"},
		notFound:           {"CUDA_ERROR_NOT_FOUND", "named symbol not found"},
		illegalAddress:     {"CUDA_ERROR_ILLEGAL_ADDRESS", "an illegal memory access was encountered"},
		captureUnsupported: {"CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED", "operation not permitted when stream is capturing"},
		captureInvalidated: {"CUDA_ERROR_STREAM_CAPTURE_INVALIDATED", "operation failed due to a previous error during capture"},
		captureUnmatched:   {"CUDA_ERROR_STREAM_CAPTURE_UNMATCHED", "capture was not initiated in this stream"},
		captureUnjoined:    {"CUDA_ERROR_STREAM_CAPTURE_UNJOINED", "capturing stream has unjoined work"},
	} {
		codes[c] = [2][]byte{append([]byte(text[0]), 0), append([]byte(text[1]), 0)}
	}
}
