#include "delta_rows.h"

SHARED_DYNAMIC(float, dynamic);

// delta_scan: q, k [B T Hk K] and v [B T H V] with strides, a or g [B T H 1|K],
// b or beta [B T H 1], slots [B] or null, state [P H V K]; o [B T H V]. A block
// has some rows of a head.
template <uint L, bool VEC>
DEV void delta_scan(float *shared, GLOBAL const float *q, GLOBAL const float *k, GLOBAL const float *v, GLOBAL const float *a,
                    GLOBAL const float *dt, GLOBAL const float *A, GLOBAL const float *b, GLOBAL const int *slots,
                    GLOBAL float *state, GLOBAL float *o, const DeltaParams &p, uint part, uint h, uint seq, uint tid) {
  const uint threads = 128, groups = threads / L, first = part * 2 * groups, hk = key_head(h, p.Hk, p.H, p.tiled);
  const uint K = VEC ? 16 * L : p.K;
  const uint rows = p.V - first < 2 * groups ? p.V - first : 2 * groups;
  const uint slot = slots ? (uint)slots[seq] : seq;
  if (slot >= p.P) return;
  GLOBAL float *S = state + (((ulong64)slot * p.H + h) * p.V + first) * K;
  Rows r = load_state<L, VEC>(S, tid / L, groups, rows, K, tid % L);
  const Tokens s = tokens_in(shared, p, K, 2 * groups);
  NO_UNROLL for (uint t0 = 0; t0 < p.T; t0 += p.tile) {
    const uint n = p.T - t0 < p.tile ? p.T - t0 : p.tile;
    const ulong64 token = (ulong64)seq * p.T + t0;
    if (t0) BARRIER();
    UNROLL_4 for (uint i = tid; i < n * K; i += threads) {
      const ulong64 at = (token + i / K) * p.qk + hk * K + i % K;
      s.q[i] = q[at];
      s.k[i] = k[at];
    }
    UNROLL_4 for (uint i = tid; i < n * rows; i += threads) s.v[i] = v[(token + i / rows) * p.v + h * p.V + first + i % rows];
    gates(s, a, dt, A, b, p, token, n, h, tid, threads);
    BARRIER();
    normalise(s, p, K, n, tid / 32, threads / 32, tid % 32);
    BARRIER();
    scan<L, VEC>(r, s, p, K, n, tid / L, groups, rows, tid % L);
    BARRIER();
    NO_UNROLL for (uint i = tid; i < n * rows; i += threads) o[((token + i / rows) * p.H + h) * p.V + first + i % rows] = s.o[i];
  }
  store_state<L, VEC>(S, r, tid / L, groups, rows, K, tid % L);
}

#define DELTA_SCAN(NAME, L, VEC) \
KERNEL(NAME, 128, BUF(0, const float, q), BUF(1, const float, k), BUF(2, const float, v), BUF(3, const float, a), BUF(4, const float, dt), \
       BUF(5, const float, A), BUF(6, const float, b), BUF(7, const int, slots), BUF(8, float, state), BUF(9, float, o), PARAMS(10, DeltaParams, p)) \
{ delta_scan<L, VEC>(dynamic, q, k, v, a, dt, A, b, slots, state, o, p, BID_X, BID_Y, BID_Z, TID_X); }

DELTA_SCAN(delta_scan_16, 1, true)
DELTA_SCAN(delta_scan_32, 2, true)
DELTA_SCAN(delta_scan_64, 4, true)
DELTA_SCAN(delta_scan_128, 8, true)
DELTA_SCAN(delta_scan_256, 16, true)
DELTA_SCAN(delta_scan_any, 32, false)
