// Rows of the input of a short convolution, those of earlier calls included.
#pragma once

// conv_row is channel c's input at token t; the W-1 tokens before the first one
// lie in st [W-1 C], or in front of x [.. C] where st is null.
DEV float conv_row(GLOBAL const float *x, GLOBAL float *st, int t, uint W, uint C) {
  if (t < 0 && st) return st[(ulong64)(t + (int)W - 1) * C];
  return x[(long)t * (long)C];
}

// conv_shift makes the last W-1 of T tokens the state. What it reads of the old
// state lies behind what it has written.
DEV void conv_shift(GLOBAL const float *x, GLOBAL float *st, uint T, uint W, uint C) {
  NO_UNROLL for (uint i = 0; i + 1 < W; i++) st[(ulong64)i * C] = conv_row(x, st, (int)(T + i) - (int)W + 1, W, C);
}
