// What products of many tokens begin and end with.
#include "activations.h"

struct RoundParams { uint k, tokens; float eps; };

// A block a token.
KERNEL(round_activations, 256, BUF(0, const float, x), BUF(1, const float, norm), BUF(2, uchar, y), PARAMS(3, RoundParams, p)) {
  SHARED float part[8];
  float factor[1];
  const uint here = BID_X < p.tokens;
  const float *token = x + (here ? (ulong64)BID_X * p.k : 0);
  norm_factors<1>(token, norm, p.eps, p.k, here, part, factor);
  round_tokens<1>(token, norm, factor, p.k, here, y + (ulong64)BID_X * token_bytes(p.k));
}

struct SiluParams { uint n; };

KERNEL(silu_mul_f32, 256, BUF(0, const float, gate), BUF(1, const float, up), BUF(2, float, y), PARAMS(3, SiluParams, p)) {
  const uint i = BID_X * 256 + TID_X;
  if (i < p.n) y[i] = k_silu(gate[i]) * up[i];
}
