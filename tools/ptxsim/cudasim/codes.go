//go:build !nogpu && (linux || windows) && (amd64 || arm64)

package cudasim

// code is a result of the driver's API.
type code uintptr

const (
	success            code = 0
	invalidValue       code = 1
	outOfMemory        code = 2
	invalidDevice      code = 101
	invalidContext     code = 201
	invalidPTX         code = 218
	invalidHandle      code = 400
	notFound           code = 500
	illegalAddress     code = 700
	captureUnsupported code = 900
	captureInvalidated code = 901
	captureUnmatched   code = 903
	captureUnjoined    code = 904
)

// codes are the names and words of the results, zero-terminated.
var codes = map[code][2][]byte{}

func init() {
	for c, text := range map[code][2]string{
		success:            {"CUDA_SUCCESS", "no error"},
		invalidValue:       {"CUDA_ERROR_INVALID_VALUE", "invalid argument"},
		outOfMemory:        {"CUDA_ERROR_OUT_OF_MEMORY", "out of memory"},
		invalidDevice:      {"CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"},
		invalidContext:     {"CUDA_ERROR_INVALID_CONTEXT", "invalid device context"},
		invalidPTX:         {"CUDA_ERROR_INVALID_PTX", "a PTX JIT compilation failed"},
		invalidHandle:      {"CUDA_ERROR_INVALID_HANDLE", "invalid resource handle"},
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
