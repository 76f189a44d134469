package sched

import "github.com/deltaloom/deltaloom/graph"

// Kind says what is bound to a storage.
type Kind uint8

const (
	ArenaStorage  Kind = iota // working memory
	InputStorage              // given anew at every run
	OutputStorage             // written at every run
	StateStorage              // kept by a session from run to run
	WeightStorage             // a tensor of the model
	ConstStorage              // a constant of the graph
	StaticStorage             // computed from weights alone, once
)

var kindNames = [...]string{"arena", "input", "output", "state", "weight", "const", "static"}

func (k Kind) String() string { return kindNames[k] }

// Storage is one piece of memory that a plan is bound to.
type Storage struct {
	Kind  Kind
	Name  string      // of the leaf or output; a constant's value; the fingerprint of a static's computation
	Space int         // the memory it is in: 0 is the host
	Shape graph.Shape // invalid for an arena
	Bytes int64
}

// storages numbers storages; the first ones are the arenas, one a space.
type storages struct {
	list   []Storage
	number map[Storage]int
}

func newStorages(sp *spaces) storages {
	s := storages{number: map[Storage]int{}}
	for space := range sp.device {
		s.add(Storage{Kind: ArenaStorage, Name: sp.name(space), Space: space})
	}
	return s
}

func (s *storages) add(st Storage) int {
	if st.Shape.Valid() {
		st.Bytes = st.Shape.Bytes()
	}
	i, ok := s.number[st]
	if !ok {
		i = len(s.list)
		s.number[st] = i
		s.list = append(s.list, st)
	}
	return i
}
