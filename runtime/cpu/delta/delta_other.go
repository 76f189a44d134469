//go:build !amd64 && !arm64

package delta

var sets [1]assembly

// dotsAsk tells whether dots asks for the rows that come next.
const dotsAsk = false
