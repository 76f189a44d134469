//go:build !amd64 && !arm64

package delta

var sets [1]assembly
