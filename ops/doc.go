// Package ops is the vocabulary of graphs: every op with its attributes, the
// shapes it takes, its meaning as a slow evaluation in float64, and the cases
// that backends are tested with. Each constructor is a free function that adds
// one node to the builder of its operands and returns its result.
//
// Shapes are written outermost axis first. Elementwise ops broadcast: shapes
// are aligned at the last axis, and an extent of 1 stretches. Constructors that
// take an axis count a negative one from the end; the attribute never is.
//
// An error of a constructor sticks in the builder, which reports it with the
// caller's file and line; the value returned then is harmless to use further.
package ops
