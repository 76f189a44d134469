package deltaloom

import "slices"

// keptSteps is how many sizes of steps a model keeps the programs of, and a
// session the memory: many more than a decoded sequence goes through, and few
// beside the lengths that prompts have.
const keptSteps = 32

// recent holds the values that were used last, by key, at most keptSteps.
type recent[K comparable, V any] struct{ list []recentEntry[K, V] }

type recentEntry[K comparable, V any] struct {
	key   K
	value V
}

// get returns the value of k, the zero value where there is none.
func (r *recent[K, V]) get(k K) (v V, ok bool) {
	last := len(r.list) - 1
	for i := last; i >= 0; i-- {
		if e := r.list[i]; e.key == k {
			copy(r.list[i:], r.list[i+1:])
			r.list[last] = e
			return e.value, true
		}
	}
	return v, false
}

// add adds the value of a key that is not there. It returns the one that had to
// make room, if any.
func (r *recent[K, V]) add(k K, v V) (old V, dropped bool) {
	if len(r.list) == keptSteps {
		old, dropped = r.list[0].value, true
		r.list = slices.Delete(r.list, 0, 1)
	}
	r.list = append(r.list, recentEntry[K, V]{k, v})
	return old, dropped
}
