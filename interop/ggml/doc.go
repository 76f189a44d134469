// Package ggml reads the text form of a compute graph that llama.cpp built for a
// model, and makes a graph.Graph of it.
//
// Such a text has memory: a tensor may be a strided view of another one, and ops
// write into views. Order and aliasing are its only dependencies. Here every
// tensor that owns memory has a current value. A read becomes views of that
// value; a write makes the next value of the whole memory. What the text writes
// into its caches becomes the next value of states.
//
// The translation is line by line and knows no model: one op of the text becomes
// the op of package ops that computes the same, and what could be simpler is
// left to package fuse.
package ggml
