package main

import (
	"bufio"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// lines are what somebody types, or what a script has to say.
type lines interface {
	next() (string, error) // io.EOF: no more
}

// newLines returns the lines of in, with editing and history where that is a terminal.
func newLines(in io.Reader, out io.Writer) lines {
	f, ok := in.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return plainLines{bufio.NewReader(in)}
	}
	return &typedLines{int(f.Fd()), term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{in, out}, "> ")}
}

type plainLines struct{ r *bufio.Reader }

func (p plainLines) next() (string, error) {
	line, err := p.r.ReadString('\n')
	if err == io.EOF && line != "" {
		err = nil
	}
	return strings.TrimRight(line, "\r\n"), err
}

// typedLines has the terminal for itself only while a line is typed: an answer is
// interrupted as any program is.
type typedLines struct {
	fd int
	t  *term.Terminal
}

func (l *typedLines) next() (line string, err error) {
	before, err := term.MakeRaw(l.fd)
	if err != nil {
		return "", err
	}
	line, err = l.t.ReadLine()
	if restored := term.Restore(l.fd, before); restored != nil {
		return "", restored
	}
	if err == term.ErrPasteIndicator {
		err = nil
	}
	return line, err
}
