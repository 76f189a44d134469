package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
)

// logHandler writes a record as a line for people: the message, then its values.
type logHandler struct {
	w     io.Writer
	level slog.Level
	with  []slog.Attr
	mu    sync.Mutex
}

func (h *logHandler) Enabled(_ context.Context, l slog.Level) bool { return l >= h.level }

func (h *logHandler) Handle(_ context.Context, r slog.Record) error {
	var b strings.Builder
	b.WriteString(r.Message)
	write := func(a slog.Attr) bool {
		fmt.Fprintf(&b, "  %s %v", a.Key, a.Value)
		return true
	}
	for _, a := range h.with {
		write(a)
	}
	r.Attrs(write)
	h.mu.Lock()
	defer h.mu.Unlock()
	_, err := fmt.Fprintln(h.w, b.String())
	return err
}

func (h *logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &logHandler{w: h.w, level: h.level, with: append(h.with[:len(h.with):len(h.with)], attrs...)}
}

// WithGroup changes nothing: nobody here groups.
func (h *logHandler) WithGroup(string) slog.Handler { return h }
