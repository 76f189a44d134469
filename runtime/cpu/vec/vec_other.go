//go:build !amd64 && !arm64

package vec

var sets = [...]*Funcs{scalar}
