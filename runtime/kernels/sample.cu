// The next token of rows of logits: the likeliest, or one drawn from the TopK
// likeliest with the numbers that package sample has, to the last bit. Logits that are
// no finite number are never picked; where there are none, the token is -1.
#include "order.h"

#define THREADS 256
#define KEYS 16 // a thread
#define MOST (THREADS * KEYS)

// A key is larger for a larger logit, and for the lower of equal ones' tokens. 0 is no
// token.
DEV ulong64 key_of(float v, uint id) { return v - v == 0.0f ? (ulong64)order_of(v) << 32 | ~id : 0; }
DEV int token_of(ulong64 key) { return key ? (int)~(uint)key : -1; }
DEV float logit_of(ulong64 key) {
  const uint u = (uint)(key >> 32);
  return as_float(u >> 31 ? u ^ 0x80000000u : ~u);
}

DEV ulong64 larger_key(ulong64 a, ulong64 b) { return a > b ? a : b; }
DEV ulong64 simd_largest(ulong64 v) {
  UNROLL for (uint m = 16; m; m >>= 1)
    v = larger_key(v, (ulong64)simd_shuffle_xor_uint((uint)(v >> 32), m) << 32 | simd_shuffle_xor_uint((uint)v, m));
  return v;
}

// The k largest of the keys that the threads have, the largest first.
DEV void largest_keys(ulong64 *key, uint k, ulong64 *to, SHARED ulong64 *part) {
  ulong64 mine = 0;
  UNROLL for (int j = 0; j < KEYS; j++) mine = larger_key(mine, key[j]);
  for (uint i = 0; i < k; i++) {
    const ulong64 simd = simd_largest(mine);
    if (LANE == 0) part[TID_X / 32] = simd;
    BARRIER();
    ulong64 most = 0;
    UNROLL for (int w = 0; w < THREADS / 32; w++) most = larger_key(most, part[w]);
    if (TID_X == 0) to[i] = most;
    if (mine == most) {
      mine = 0;
      UNROLL for (int j = 0; j < KEYS; j++) {
        if (key[j] == most) key[j] = 0;
        mine = larger_key(mine, key[j]);
      }
    }
    BARRIER();
  }
}

// Block (x, y) finds the k largest of up to MOST keys of row y, from x·MOST on; they go
// to part x of that row of to.
struct LargestParams { uint n, k; };

KERNEL(largest_logits, THREADS, BUF(0, const float, logits), BUF(1, ulong64, to), PARAMS(2, LargestParams, p)) {
  SHARED ulong64 part[THREADS / 32];
  ulong64 key[KEYS];
  UNROLL for (int j = 0; j < KEYS; j++) {
    const uint i = BID_X * MOST + j * THREADS + TID_X;
    key[j] = i < p.n ? key_of(logits[(ulong64)BID_Y * p.n + i], i) : 0;
  }
  largest_keys(key, p.k, to + ((ulong64)BID_Y * GDIM_X + BID_X) * p.k, part);
}
KERNEL(largest_keys, THREADS, BUF(0, const ulong64, keys), BUF(1, ulong64, to), PARAMS(2, LargestParams, p)) {
  SHARED ulong64 part[THREADS / 32];
  ulong64 key[KEYS];
  UNROLL for (int j = 0; j < KEYS; j++) {
    const uint i = BID_X * MOST + j * THREADS + TID_X;
    key[j] = i < p.n ? keys[(ulong64)BID_Y * p.n + i] : 0;
  }
  largest_keys(key, p.k, to + ((ulong64)BID_Y * GDIM_X + BID_X) * p.k, part);
}

// Without a draw: the token of the one key of each row.
struct TokenParams { uint rows; };

KERNEL(key_token, THREADS, BUF(0, const ulong64, keys), BUF(1, int, tokens), PARAMS(2, TokenParams, p)) {
  const uint row = BID_X * THREADS + TID_X;
  if (row < p.rows) tokens[row] = token_of(keys[row]);
}

// Double precision is here alone: a seed is to pick the same tokens as on the host.
// Operations are rounded one by one.
DEV double times(double a, double b) { return __nvvm_mul_rn_d(a, b); }
DEV double plus(double a, double b) { return __nvvm_add_rn_d(a, b); }

// e to the power of x ≤ 0, as package sample computes it.
DEV double exp_below(double x) {
  if (!(x > -708.0)) return 0.0;
  double c[14], term = 1.0; // 1/13! to 1/0!
  UNROLL for (int n = 0; n < 14; n++) c[13 - n] = term, term = __nvvm_div_rn_d(term, (double)(n + 1));
  const double k = __builtin_floor(plus(times(x, 1.44269504088896340736), 0.5));
  const double r = plus(plus(x, -times(k, 6.93147180369123816490e-01)), -times(k, 1.90821492927058770002e-10));
  double sum = 0.0;
  UNROLL for (int i = 0; i < 14; i++) sum = plus(times(sum, r), c[i]);
  return times(__builtin_bit_cast(double, (ulong64)((long long)k + 1023) << 52), sum);
}

// A token of each row, whose k keys come with the largest first. draws has a random
// number a row. top_p, min_p and temperature are the bits of doubles.
#define MOST_DRAWN 1024
struct DrawParams { uint k; ulong64 top_p, min_p, temperature; };

KERNEL(draw_token, THREADS, BUF(0, const ulong64, keys), BUF(1, const ulong64, draws), BUF(2, int, tokens), PARAMS(3, DrawParams, p)) {
  SHARED double weight[MOST_DRAWN], tempered[MOST_DRAWN];
  keys += (ulong64)BID_X * p.k;
  const double high = logit_of(keys[0]), top_p = __builtin_bit_cast(double, p.top_p), min_p = __builtin_bit_cast(double, p.min_p),
               temperature = __builtin_bit_cast(double, p.temperature);
  for (uint i = TID_X; i < p.k; i += THREADS) {
    const double x = plus(logit_of(keys[i]), -high);
    weight[i] = exp_below(x);
    tempered[i] = temperature == 1.0 ? weight[i] : exp_below(__nvvm_div_rn_d(x, temperature));
  }
  BARRIER();
  if (TID_X != 0) return;
  uint n = 0;
  double sum = 0.0;
  for (; n < p.k && keys[n]; n++) sum = plus(sum, weight[n]);
  if (top_p > 0.0 && top_p < 1.0) {
    const double enough = times(top_p, sum);
    double have = 0.0;
    for (uint i = 0; i < n; i++) {
      have = plus(have, weight[i]);
      if (have >= enough) n = i + 1;
    }
  }
  sum = 0.0;
  for (uint i = 0; i < n; i++)
    if (!(weight[i] < min_p)) sum = plus(sum, tempered[i]);
  double at = times(times((double)(draws[BID_X] >> 11), 1.0 / 9007199254740992.0), sum);
  uint token = 0; // the last one if rounding leaves something
  for (uint i = 0; i < n && !(at < 0.0); i++) {
    if (weight[i] < min_p) continue;
    at = plus(at, -tempered[i]), token = i;
  }
  tokens[BID_X] = n ? token_of(keys[token]) : -1;
}
