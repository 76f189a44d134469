package chat

import (
	"reflect"

	"github.com/nikolalohinski/gonja/v2/exec"
)

// list is a list whose negative indices reach its first element too: the library's stop
// before it.
type list []any

func (l list) GetItem(key any) (*exec.Value, bool) {
	i, ok := key.(int)
	if i < 0 {
		i += len(l)
	}
	if !ok || i < 0 || i >= len(l) {
		return exec.AsValue(nil), false
	}
	return exec.ToValue(l[i]), true
}

// splitMethod returns a method of strings that returns such lists.
func splitMethod(split exec.Method[string]) exec.Method[string] {
	return func(self string, value *exec.Value, args *exec.VarArgs) (any, error) {
		parts, err := split(self, value, args)
		r := reflect.ValueOf(parts)
		if err != nil || r.Kind() != reflect.Slice {
			return parts, err
		}
		l := make(list, r.Len())
		for i := range l {
			l[i] = r.Index(i).String()
		}
		return l, nil
	}
}
