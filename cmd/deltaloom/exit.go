package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

// Exit codes: what scripts rely on.
const (
	exitFine        = 0
	exitFailed      = 1 // a check did not hold
	exitUsage       = 2 // wrong usage or unreadable input
	exitUnsupported = 3
	exitInterrupted = 130 // as shells have it
)

// failure is a check that did not hold; its report has been printed.
type failure struct{ error }

func failed(format string, args ...any) error { return failure{fmt.Errorf(format, args...)} }

// usage is a call that makes no sense.
type usage struct{ error }

func misused(format string, args ...any) error { return usage{fmt.Errorf(format, args...)} }

// explainExit writes what went wrong and returns the exit code.
func explainExit(stderr io.Writer, cmd *cobra.Command, err error) int {
	if err == nil {
		return exitFine
	}
	fmt.Fprintf(stderr, "%s: %v\n", cmd.CommandPath(), err)
	var f failure
	var u usage
	switch {
	case errors.Is(err, context.Canceled):
		return exitInterrupted
	case errors.As(err, &f):
		return exitFailed
	case errors.Is(err, errors.ErrUnsupported):
		return exitUnsupported
	case errors.As(err, &u):
		fmt.Fprintf(stderr, "%s --help shows how it is called\n", cmd.CommandPath())
	}
	return exitUsage
}
