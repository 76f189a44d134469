package chat

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/nikolalohinski/gonja/v2/exec"
)

// dict returns a mapping of keys and values in that order.
func dict(pairs ...any) *exec.Dict {
	d := exec.NewDict()
	for i := 0; i < len(pairs); i += 2 {
		d.Pairs = append(d.Pairs, &exec.Pair{Key: exec.AsValue(pairs[i]), Value: exec.AsValue(pairs[i+1])})
	}
	return d
}

// decode returns the value of a JSON text, with mappings in the order of the text and
// whole numbers as int.
func decode(raw json.RawMessage) (any, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	v, err := decodeValue(d, 0)
	if err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("something follows the JSON value")
	}
	return v, nil
}

func decodeValue(d *json.Decoder, depth int) (any, error) {
	if depth > maxDepth {
		return nil, errors.New("values lie too deep in each other")
	}
	t, err := d.Token()
	if err == io.EOF {
		return nil, io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, err
	}
	switch t := t.(type) {
	case json.Number:
		if i, err := strconv.Atoi(t.String()); err == nil {
			return i, nil
		}
		return t.Float64()
	case json.Delim:
		if t == '[' {
			l := list{}
			for d.More() {
				v, err := decodeValue(d, depth+1)
				if err != nil {
					return nil, err
				}
				l = append(l, v)
			}
			_, err := d.Token()
			return l, err
		}
		m := dict()
		for d.More() {
			key, err := d.Token()
			if err != nil {
				return nil, err
			}
			v, err := decodeValue(d, depth+1)
			if err != nil {
				return nil, err
			}
			m.Pairs = append(m.Pairs, dict(key, v).Pairs...)
		}
		_, err := d.Token()
		return m, err
	}
	return t, nil // string, bool, nil
}

const maxJSON = 64 << 20 // bytes, however many spaces they are indented by

// jsonStyle writes JSON as Python's json.dumps does.
type jsonStyle struct {
	comma, colon, indent string
	ascii, sorted        bool
}

func (o jsonStyle) write(b *strings.Builder, v any, depth int) error {
	if depth > maxDepth || b.Len() > maxJSON {
		return errors.New("too deep or too long")
	}
	switch v := v.(type) {
	case nil:
		b.WriteString("null")
		return nil
	case *exec.Value:
		return o.write(b, v.Interface(), depth)
	case *list:
		return o.write(b, *v, depth)
	case *exec.Dict:
		return o.mapping(b, exec.AsValue(v), depth)
	case exec.Dict:
		return o.mapping(b, exec.AsValue(&v), depth)
	case string:
		o.text(b, v)
		return nil
	case bool:
		b.WriteString(strconv.FormatBool(v))
		return nil
	}
	switch r := reflect.ValueOf(v); r.Kind() {
	case reflect.String:
		o.text(b, r.String())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		b.WriteString(strconv.FormatInt(r.Int(), 10))
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		b.WriteString(strconv.FormatUint(r.Uint(), 10))
	case reflect.Float32, reflect.Float64:
		b.WriteString(pythonFloat(r.Float()))
	case reflect.Slice, reflect.Array:
		return o.group(b, '[', ']', r.Len(), depth, func(i int) error { return o.write(b, r.Index(i).Interface(), depth+1) })
	case reflect.Map:
		return o.mapping(b, exec.AsValue(v), depth)
	default:
		return fmt.Errorf("a %T has no JSON", v)
	}
	return nil
}

func (o jsonStyle) mapping(b *strings.Builder, v *exec.Value, depth int) error {
	keys := v.Keys()
	if o.sorted {
		slices.SortStableFunc(keys, func(x, y *exec.Value) int { return strings.Compare(x.String(), y.String()) })
	}
	return o.group(b, '{', '}', len(keys), depth, func(i int) error {
		o.text(b, keys[i].String())
		b.WriteString(o.colon)
		value, _ := v.GetItem(keys[i].Interface())
		return o.write(b, value.Interface(), depth+1)
	})
}

// group writes n values between brackets.
func (o jsonStyle) group(b *strings.Builder, open, end byte, n, depth int, value func(i int) error) error {
	line := func(depth int) {
		if o.indent != "" && n > 0 {
			b.WriteByte('\n')
			b.WriteString(strings.Repeat(o.indent, depth))
		}
	}
	b.WriteByte(open)
	for i := range n {
		if i > 0 {
			b.WriteString(o.comma)
		}
		line(depth + 1)
		if err := value(i); err != nil {
			return err
		}
	}
	line(depth)
	b.WriteByte(end)
	return nil
}

func (o jsonStyle) text(b *strings.Builder, s string) {
	short := map[rune]string{'"': `\"`, '\\': `\\`, '\n': `\n`, '\r': `\r`, '\t': `\t`, '\b': `\b`, '\f': `\f`}
	b.WriteByte('"')
	for _, r := range s {
		switch e, ok := short[r]; {
		case ok:
			b.WriteString(e)
		case r < ' ' || o.ascii && r >= utf8.RuneSelf && r < 0x10000:
			fmt.Fprintf(b, `\u%04x`, r)
		case o.ascii && r >= 0x10000:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(b, `\u%04x\u%04x`, high, low)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
}

// pythonFloat writes a number as Python's repr does.
func pythonFloat(v float64) string {
	switch {
	case math.IsNaN(v):
		return "NaN"
	case math.IsInf(v, 0):
		return strings.TrimPrefix(strconv.FormatFloat(v, 'f', -1, 64)+"inity", "+")
	}
	if a := math.Abs(v); a != 0 && (a < 1e-4 || a >= 1e16) {
		return strconv.FormatFloat(v, 'e', -1, 64)
	}
	s := strconv.FormatFloat(v, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}
