// The k largest elements of long rows: those of parts of a row first, then those of
// what the parts have left.
#include "order.h"

#define THREADS 256
#define KEYS 16 // a thread
#define MOST (THREADS * KEYS)

// A key is larger for a larger number, and for the lower of equal ones' places. 0 is
// none.
DEV ulong64 key_of(float v, uint place) { return (ulong64)order_of(v) << 32 | ~place; }

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

KERNEL(largest_numbers, THREADS, BUF(0, const float, x), BUF(1, ulong64, to), PARAMS(2, LargestParams, p)) {
  SHARED ulong64 part[THREADS / 32];
  ulong64 key[KEYS];
  UNROLL for (int j = 0; j < KEYS; j++) {
    const uint i = BID_X * MOST + j * THREADS + TID_X;
    key[j] = i < p.n ? key_of(x[(ulong64)BID_Y * p.n + i], i) : 0;
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

// The places that keys stand for.
KERNEL(places_of_keys, THREADS, BUF(0, const ulong64, keys), BUF(1, int, y), PARAMS(2, LargestParams, p)) {
  const uint i = BID_X * THREADS + TID_X;
  if (i < p.n) y[i] = (int)~(uint)keys[i];
}
