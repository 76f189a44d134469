package chat

import "github.com/nikolalohinski/gonja/v2/exec"

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
