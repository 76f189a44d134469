// What the kernels of attention share. Columns are the queries that read one key
// head of a sequence: column t·r + h is query head h, of r, of token t.
#pragma once

// Key head g of a position of a slot begins at ((slot·C + position)·G + g)·K, and so
// does its value, of V elements. The splits share out the positions that are seen.
struct AttendParams { uint B, T, H, G, P, C, KV, streams, splits, K, V; };

// What the softmax starts from: less than any score, and yet a number.
#define NO_SCORE -1e30f

DEV uint query_heads(PASSED(AttendParams) p) { return p.H / p.G; }

// The row of a column in queries, results and what splits leave.
DEV uint query_row(PASSED(AttendParams) p, uint b, uint g, uint column) {
  const uint r = query_heads(p);
  return (b * p.T + column / r) * p.H + g * r + column % r;
}

// How many positions a column sees: none where there is no such column, no such
// slot or nothing before its position.
DEV uint visible(PASSED(AttendParams) p, GLOBAL const int *slots, GLOBAL const int *pos, uint b, uint column) {
  const uint token = column / query_heads(p);
  if (token >= p.T || (uint)slots[b] >= p.P) return 0;
  const int at = pos[(ulong64)(b * p.T + token) * p.streams];
  return at < 0 ? 0 : (uint)at < p.KV ? (uint)at + 1 : p.KV;
}

// The place of a query in what a split leaves: most and sum of its weights in stats,
// and the sum of weighted values in parts.
DEV ulong64 split_row(PASSED(AttendParams) p, uint split, uint query) { return (ulong64)split * (p.B * p.T * p.H) + query; }

// How many of n positions each split reads, a multiple of step.
DEV uint share(uint n, uint splits, uint step) { return (n + splits * step - 1) / (splits * step) * step; }
