//go:build !amd64 && !arm64

package attn

var sets = [...]Kernels{scalar}
