package fusetest

import (
	"flag"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the files of testdata")

func TestGolden(t *testing.T) { Golden(t, "testdata/*.txt", *update) }
