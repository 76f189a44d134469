package chat

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nikolalohinski/gonja/v2/builtins"
	"github.com/nikolalohinski/gonja/v2/exec"
)

// filters are the library's, but for those in which the order of an object's keys, or
// how Python writes JSON, matters.
func filters() *exec.FilterSet {
	set := exec.NewFilterSet(map[string]exec.FilterFunction{})
	set.Update(builtins.Filters)
	for name, f := range map[string]exec.FilterFunction{"tojson": toJSON, "items": itemsFilter} {
		if err := set.Replace(name, f); err != nil {
			panic(err) // the library has both
		}
	}
	return set
}

func toJSON(_ *exec.Evaluator, in *exec.Value, params *exec.VarArgs) *exec.Value {
	if in.IsError() {
		return in
	}
	o := jsonStyle{comma: ", ", colon: ": "}
	for name, v := range params.KwArgs {
		switch {
		case name == "indent" && v.IsInteger():
			o.indent, o.comma = strings.Repeat(" ", max(0, min(v.Integer(), 16))), ","
		case name == "indent" && v.IsNil():
		case name == "ensure_ascii" && v.IsBool():
			o.ascii = v.Bool()
		case name == "sort_keys" && v.IsBool():
			o.sorted = v.Bool()
		default:
			return exec.AsValue(fmt.Errorf("tojson: %s=%s is not supported", name, v))
		}
	}
	var b strings.Builder
	if err := o.write(&b, in.Interface(), 0); err != nil {
		return exec.AsValue(fmt.Errorf("tojson: %w", err))
	}
	return exec.AsSafeValue(b.String())
}

func itemsFilter(_ *exec.Evaluator, in *exec.Value, _ *exec.VarArgs) *exec.Value {
	switch {
	case in.IsError():
		return in
	case in.IsNil():
		return exec.AsValue(list{})
	case !in.IsDict():
		return exec.AsValue(errors.New("items wants a mapping"))
	}
	return exec.AsValue(items(in))
}

func items(in *exec.Value) list {
	pairs := list{}
	for _, key := range in.Keys() {
		value, _ := in.GetItem(key.Interface())
		pairs = append(pairs, list{key.Interface(), value.Interface()})
	}
	return pairs
}

// stringMethods are those of strings, without the ones that make a text as long as a
// number says.
var stringMethods = strings.Fields(`capitalize casefold count encode endswith find format isalnum isalpha isascii
	isdecimal isdigit islower isnumeric isprintable isspace istitle isupper join lower lstrip partition removeprefix
	removesuffix replace rfind rpartition rsplit rstrip split splitlines startswith strip swapcase title upper`)

// methods are the library's, but for those of mappings that depend on the order of keys.
func methods() exec.Methods {
	m := builtins.Methods
	dicts := map[string]exec.Method[map[string]any]{
		"items": func(_ map[string]any, self *exec.Value, _ *exec.VarArgs) (any, error) { return items(self), nil },
		"keys": func(_ map[string]any, self *exec.Value, _ *exec.VarArgs) (any, error) {
			keys := list{}
			for _, key := range self.Keys() {
				keys = append(keys, key.Interface())
			}
			return keys, nil
		},
		"values": func(_ map[string]any, self *exec.Value, _ *exec.VarArgs) (any, error) {
			values := list{}
			for _, pair := range items(self) {
				values = append(values, pair.(list)[1])
			}
			return values, nil
		},
		"get": func(_ map[string]any, self *exec.Value, args *exec.VarArgs) (any, error) {
			if len(args.Args) < 1 || len(args.Args) > 2 {
				return nil, errors.New("get wants a key and perhaps a default")
			}
			if v, ok := self.GetItem(args.Args[0].Interface()); ok {
				return v.Interface(), nil
			}
			if len(args.Args) == 2 {
				return args.Args[1].Interface(), nil
			}
			return nil, nil
		},
	}
	m.Dict = exec.NewMethodSet(dicts)
	texts := map[string]exec.Method[string]{}
	for _, name := range stringMethods {
		method, ok := builtins.Methods.Str.Get(name)
		if !ok {
			panic("no method " + name) // the library has it
		}
		texts[name] = splitMethod(method)
	}
	m.Str = exec.NewMethodSet(texts)
	return m
}

// strftime formats a time by the letters of C's function that templates use.
func strftime(t time.Time, format string) string {
	layouts := map[byte]string{'Y': "2006", 'm': "01", 'd': "02", 'H': "15", 'M': "04", 'S': "05", 'y': "06",
		'B': "January", 'b': "Jan", 'A': "Monday", 'a': "Mon", 'I': "03", 'p': "PM", 'j': "002", 'Z': "MST", 'z': "-0700"}
	var b strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '%' || i+1 == len(format) {
			b.WriteByte(format[i])
			continue
		}
		i++
		if layout, ok := layouts[format[i]]; ok {
			b.WriteString(t.Format(layout))
		} else if format[i] == '%' {
			b.WriteByte('%')
		} else {
			b.WriteString(format[i-1 : i+1])
		}
	}
	return b.String()
}
