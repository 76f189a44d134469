package graph

import (
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// The text of an attribute struct: name=value of every field that is not zero,
// names in lower case, separated by commas. Fields are bools, integers, floats,
// strings, types with a text form of their own, or graphs, written as their
// number in b and left out without one.

func formatAttrs(a Attrs, b bodies) string {
	if a == nil {
		return ""
	}
	var parts []string
	v := reflect.ValueOf(a)
	for i := range v.NumField() {
		f, name := v.Field(i), strings.ToLower(v.Type().Field(i).Name)
		if x, ok := f.Interface().(GraphAttr); ok {
			if number, known := b[x.AttrGraph()]; known {
				parts = append(parts, name+"="+strconv.Itoa(number))
			}
		} else if !f.IsZero() {
			parts = append(parts, name+"="+formatField(f))
		}
	}
	return strings.Join(parts, ", ")
}

func formatField(f reflect.Value) string {
	if m, ok := f.Interface().(encoding.TextMarshaler); ok {
		if text, err := m.MarshalText(); err == nil {
			return string(text)
		}
	}
	switch f.Kind() {
	case reflect.Bool:
		return strconv.FormatBool(f.Bool())
	case reflect.Float32, reflect.Float64:
		return formatFloat(f.Float(), f.Type().Bits())
	case reflect.String:
		return strconv.Quote(f.String())
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return strconv.FormatUint(f.Uint(), 10)
	}
	return strconv.FormatInt(f.Int(), 10)
}

// checkAttrs says why the text form cannot hold the fields of t.
func checkAttrs(t reflect.Type) error {
	if t.Kind() != reflect.Struct || !t.Comparable() {
		return fmt.Errorf("%v is not a struct that can be compared", t)
	}
	for i := range t.NumField() {
		f := t.Field(i)
		switch k := f.Type.Kind(); {
		case !f.IsExported():
			return fmt.Errorf("field %s of %v is not exported", f.Name, t)
		case f.Type.Implements(graphAttr) && reflect.PointerTo(f.Type).Implements(setter):
		case f.Type.Implements(marshaler) && reflect.PointerTo(f.Type).Implements(unmarshaler):
		case k >= reflect.Bool && k <= reflect.Uint64, k == reflect.Float32, k == reflect.Float64, k == reflect.String:
		default:
			return fmt.Errorf("field %s of %v has no text form", f.Name, t)
		}
	}
	return nil
}

var (
	marshaler   = reflect.TypeFor[encoding.TextMarshaler]()
	unmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
)

func formatFloat(x float64, bits int) string { return strconv.FormatFloat(x, 'g', -1, bits) }

// parseAttrs reads name=value pairs into a struct of zero's type; b holds the
// graphs that have been read.
func parseAttrs(zero Attrs, text string, b map[int]*Graph) (Attrs, error) {
	if zero == nil {
		if text != "" {
			return nil, fmt.Errorf("takes no attributes, has {%s}", text)
		}
		return nil, nil
	}
	v := reflect.New(reflect.TypeOf(zero)).Elem()
	for _, part := range splitTop(text) {
		name, val, ok := strings.Cut(part, "=")
		if !ok {
			return nil, fmt.Errorf("attribute %q is not name=value", part)
		}
		f := v.FieldByNameFunc(func(s string) bool { return strings.ToLower(s) == name })
		if !f.IsValid() {
			return nil, fmt.Errorf("no attribute %q", name)
		}
		if err := parseField(f, val, b); err != nil {
			return nil, fmt.Errorf("attribute %s=%s: %w", name, val, err)
		}
	}
	return v.Interface(), nil
}

func parseField(f reflect.Value, text string, b map[int]*Graph) error {
	if m, ok := f.Addr().Interface().(graphAttrSetter); ok {
		n, err := strconv.Atoi(text)
		if err != nil || b[n] == nil {
			return errors.New("no body has that number")
		}
		return m.SetAttrGraph(b[n])
	}
	if m, ok := f.Addr().Interface().(encoding.TextUnmarshaler); ok {
		return m.UnmarshalText([]byte(text))
	}
	switch f.Kind() {
	case reflect.Bool:
		x, err := strconv.ParseBool(text)
		f.SetBool(x)
		return err
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		x, err := strconv.ParseInt(text, 10, f.Type().Bits())
		f.SetInt(x)
		return err
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		x, err := strconv.ParseUint(text, 10, f.Type().Bits())
		f.SetUint(x)
		return err
	case reflect.Float32, reflect.Float64:
		x, err := strconv.ParseFloat(text, f.Type().Bits())
		f.SetFloat(x)
		return err
	case reflect.String:
		x, err := strconv.Unquote(text)
		f.SetString(x)
		return err
	}
	return fmt.Errorf("attributes of type %v have no text form", f.Type())
}

// splitTop splits at commas outside quotes.
func splitTop(s string) []string {
	var parts []string
	for {
		i := indexUnquoted(s, ",")
		if i < 0 {
			break
		}
		parts = append(parts, strings.TrimSpace(s[:i]))
		s = s[i+1:]
	}
	if last := strings.TrimSpace(s); last != "" || len(parts) > 0 {
		parts = append(parts, last)
	}
	return parts
}

// indexUnquoted is strings.Index outside of what strconv.Quote has written.
func indexUnquoted(s, sep string) int {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch {
		case quoted && s[i] == '\\':
			i++
		case s[i] == '"':
			quoted = !quoted
		case !quoted && strings.HasPrefix(s[i:], sep):
			return i
		}
	}
	return -1
}
