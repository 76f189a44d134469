package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/deltaloom/deltaloom/gguf"
	"github.com/deltaloom/deltaloom/models"
)

var update = flag.Bool("update", false, "rewrite the golden parts of the transcripts")

func TestMain(m *testing.M) { testscript.Main(m, map[string]func(){"deltaloom": main}) }

// TestScripts runs the transcripts of testdata/script. Beside the usual commands
// they have
//
//	exits CODE deltaloom …   runs it and wants this exit code
//	truncate FILE N          cuts a file to N bytes
//	retype FILE TENSOR N     makes N the type of a tensor of two axes
//
// and the files tiny.ir, the built-in model's graph for one token, bytes.gguf, a
// vocabulary of bytes, gpt-2.gguf, the same with a pre-tokenizer that is not
// supported, and $GOLDEN, the folder of the reference data.
func TestScripts(t *testing.T) {
	golden := goldenDir()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		UpdateScripts:       *update,
		Setup: func(e *testscript.Env) error {
			e.Setenv("GOLDEN", golden)
			c, err := models.ByName(builtIn)
			if err != nil {
				return err
			}
			g, err := models.Build(c, models.Step{})
			if err != nil {
				return err
			}
			for name, pre := range map[string]string{"bytes.gguf": "qwen35", "gpt-2.gguf": "gpt-2"} {
				w := &gguf.Writer{}
				bytesVocabulary(w, pre, leastVocabulary)
				if err := w.WriteFile(filepath.Join(e.WorkDir, name)); err != nil {
					return err
				}
			}
			return os.WriteFile(filepath.Join(e.WorkDir, "tiny.ir"), []byte(g.String()), 0o666)
		},
		Condition: func(name string) (bool, error) {
			if name != "golden" {
				return false, fmt.Errorf("unknown condition %q", name)
			}
			_, err := os.Stat(filepath.Join(golden, "q35-tiny-f32-s7.gguf"))
			return err == nil, nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "truncate": truncate, "retype": retype},
	})
}

// goldenDir is where the reference data is, which is no part of this repository.
func goldenDir() string {
	dir := os.Getenv("DELTALOOM_GOLDEN")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "golden")
	}
	if abs, err := filepath.Abs(dir); err == nil {
		dir = abs
	}
	return dir
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND …")
	}
	code := 0
	err := ts.Exec(args[1], args[2:]...)
	var status *exec.ExitError
	if errors.As(err, &status) {
		code = status.ExitCode()
	} else {
		ts.Check(err)
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("exit code %d, want %s", code, args[0])
	}
}

func truncate(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: truncate FILE N")
	}
	n, err := strconv.ParseInt(args[1], 10, 64)
	ts.Check(err)
	ts.Check(os.Truncate(ts.MkAbs(args[0]), n))
}

func retype(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: retype FILE TENSOR N")
	}
	id, err := strconv.ParseUint(args[2], 10, 32)
	ts.Check(err)
	data := []byte(ts.ReadFile(args[0]))
	name := bytes.Index(data, []byte(args[1]))
	if name < 0 {
		ts.Fatalf("no tensor %s", args[1])
	}
	// Behind the name: the number of extents, two extents, the type.
	binary.LittleEndian.PutUint32(data[name+len(args[1])+4+2*8:], uint32(id))
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), data, 0o666))
}
