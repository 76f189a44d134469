//go:build !amd64 && !arm64

package peak

var sets [1]kernel
