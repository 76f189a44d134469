package ggml

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
)

// maxLine bounds a line: names are short, so a longer one is no such text.
const maxLine = 1 << 16

// readText reads the lines
//
//	id|op|name|type|leaf or node|ne|nb|view_src or -1|view offset|sources|params
//
// and hands each tensor to f, in order. Sources and view_src are earlier lines.
func readText(r io.Reader, f func(*tensor) error) error {
	scan := bufio.NewScanner(r)
	scan.Buffer(make([]byte, 0, 4096), maxLine)
	byID := map[int]*tensor{}
	line := 0
	for scan.Scan() {
		line++
		text := strings.TrimRight(scan.Text(), "\r")
		if strings.TrimSpace(text) == "" {
			continue
		}
		t, err := parseLine(text, byID)
		if t != nil {
			t.line = line
		}
		if err == nil {
			byID[t.id] = t
			err = f(t)
		}
		if err != nil {
			return at(line, t, err)
		}
	}
	if err := scan.Err(); errors.Is(err, bufio.ErrTooLong) {
		return fmt.Errorf("ggml: line %d: longer than %d bytes", line+1, maxLine)
	} else if err != nil {
		return fmt.Errorf("ggml: line %d: %w", line+1, err)
	}
	return nil
}

// at names the place of an error.
func at(line int, t *tensor, err error) error {
	if t == nil {
		return fmt.Errorf("ggml: line %d: %w", line, err)
	}
	return fmt.Errorf("ggml: line %d: tensor %d %q: %s: %w", line, t.id, t.name, t.op, err)
}

// parseLine reads one tensor. It returns what it could read beside an error, for
// the message.
func parseLine(text string, byID map[int]*tensor) (*tensor, error) {
	f := strings.Split(text, "|")
	if len(f) < 11 {
		return nil, fmt.Errorf("%d fields, want 11", len(f))
	}
	// A name may hold the separator: count the fields behind it from the end.
	tail := f[len(f)-8:]
	id, err := number(f[0], 0, math.MaxInt32)
	if err != nil {
		return nil, fmt.Errorf("id: %w", err)
	}
	t := &tensor{id: id, op: f[1], name: strings.Join(f[2:len(f)-8], "|"), leaf: tail[1] == "leaf"}
	if byID[id] != nil {
		return t, fmt.Errorf("the id is that of line %d", byID[id].line)
	}
	if t.typ, err = parseType(tail[0]); err != nil {
		return t, err
	}
	if tail[1] != "leaf" && tail[1] != "node" {
		return t, fmt.Errorf("%q is neither leaf nor node", tail[1])
	}
	if t.leaf != (t.op == "LEAF") {
		return t, fmt.Errorf("op %s of a %s", t.op, tail[1])
	}
	if err := list(tail[2], t.ne[:]); err != nil {
		return t, fmt.Errorf("ne: %w", err)
	}
	if err := list(tail[3], t.nb[:]); err != nil {
		return t, fmt.Errorf("nb: %w", err)
	}
	if err := t.place(tail[4], tail[5], byID); err != nil {
		return t, err
	}
	if err := t.sources(tail[6], byID); err != nil {
		return t, err
	}
	params := strings.Split(tail[7], ",")
	if len(params) != len(t.params) {
		return t, fmt.Errorf("%d op params, want %d", len(params), len(t.params))
	}
	for i, s := range params {
		v, err := number(s, math.MinInt32, math.MaxUint32) // bits, of either sign
		if err != nil {
			return t, fmt.Errorf("op param %d: %w", i, err)
		}
		t.params[i] = int32(v)
	}
	return t, t.check()
}

// place reads view_src and the offset.
func (t *tensor) place(view, offset string, byID map[int]*tensor) error {
	id, err := number(view, -1, math.MaxInt32)
	if err != nil {
		return fmt.Errorf("view_src: %w", err)
	}
	if t.off, err = number(offset, 0, math.MaxInt64); err != nil {
		return fmt.Errorf("view offset: %w", err)
	}
	if t.base = t; id < 0 {
		return nil
	}
	if t.base = byID[id]; t.base == nil {
		t.base = t
		return fmt.Errorf("view_src %d is no earlier line", id)
	}
	switch {
	case t.base.isView():
		return fmt.Errorf("view_src %d is a view itself", id)
	case t.leaf:
		return fmt.Errorf("a leaf that is a view of tensor %d", id)
	}
	return nil
}

func (t *tensor) sources(text string, byID map[int]*tensor) error {
	if text == "" {
		return nil
	}
	for i, s := range strings.Split(text, ",") {
		id, err := number(s, 0, math.MaxInt32)
		if err != nil {
			return fmt.Errorf("source %d: %w", i, err)
		}
		src := byID[id]
		if id == t.id && t.op == "CPY" { // a conversion names its own result as destination
			src = t
		}
		if src == nil {
			return fmt.Errorf("source %d is tensor %d, which is no earlier line", i, id)
		}
		t.src = append(t.src, src)
	}
	if t.leaf {
		return errors.New("a leaf has sources")
	}
	return nil
}

func number(s string, lo, hi int64) (int, error) {
	v, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%.40q is no integer", s)
	}
	if v < lo || v > hi || int64(int(v)) != v {
		return 0, fmt.Errorf("%d is out of range", v)
	}
	return int(v), nil
}

func list(s string, to []int) error {
	f := strings.Split(s, ",")
	if len(f) != len(to) {
		return fmt.Errorf("%d numbers, want %d", len(f), len(to))
	}
	for i, w := range f {
		v, err := number(w, 0, math.MaxInt64)
		if err != nil {
			return err
		}
		to[i] = v
	}
	return nil
}
