#include "conv.h"
#include "delta_rows.h"
#include "gated_norm.h"
#include "ticket.h"

SHARED_DYNAMIC(float, dynamic);

// delta_block: conv [P 3 C], state [P H V K], slots [B], x [B T C] with q, k and
// v side by side, conv weight [C 4], a [B T H 1|K], b [B T H 1], norm [V],
// z, y [B T H V], T <= tile. A block has a head, all of it: 2·groups >= V. Heads
// that share a key head filter the same channels, and the last one to have read their
// states writes them.
template <uint L>
DEV void delta_block(float *shared, GLOBAL float *conv, GLOBAL float *state, GLOBAL const int *slots, GLOBAL const float *x,
                     GLOBAL const float *w, GLOBAL const float *a, GLOBAL const float *dt, GLOBAL const float *A,
                     GLOBAL const float *b, GLOBAL const float *norm, GLOBAL const float *z, GLOBAL float *y,
                     uint *tickets, uint *last, const DeltaParams &p, uint h, uint seq, uint tid, uint threads) {
  constexpr uint K = 16 * L;
  const uint groups = threads / L, hk = key_head(h, p.Hk, p.H, p.tiled), slot = (uint)slots[seq];
  if (slot >= p.P) return;
  GLOBAL float *S = state + ((ulong64)slot * p.H + h) * p.V * K;
  Rows r = load_state<L, true>(S, tid / L, groups, p.V, K, tid % L);
  const Tokens s = tokens_in(shared, p, K, p.V);
  const ulong64 token = (ulong64)seq * p.T;
  NO_UNROLL for (uint i = tid; i < 2 * K + p.V; i += threads) {
    float *to = i < K ? s.q + i : i < 2 * K ? s.k + i - K : s.v + i - 2 * K;
    const uint step = i < 2 * K ? K : p.V;
    const uint c = i < K ? hk * K + i : i < 2 * K ? (p.Hk + hk) * K + i - K : 2 * p.Hk * K + h * p.V + i - 2 * K;
    GLOBAL const float *in = x + token * p.C + c;
    float *st = conv + (ulong64)slot * 3 * p.C + c;
    const float4 tap = ((GLOBAL const float4 *)w)[c];
    float x0 = st[0], x1 = st[p.C], x2 = st[2 * p.C];
    UNROLL_4 for (uint t = 0; t < p.T; t++) {
      const float x3 = in[(ulong64)t * p.C];
      to[t * step] = k_silu(x0 * tap.x + x1 * tap.y + x2 * tap.z + x3 * tap.w);
      x0 = x1;
      x1 = x2;
      x2 = x3;
    }
    if (i >= 2 * K || p.H == p.Hk) {
      st[0] = x0;
      st[p.C] = x1;
      st[2 * p.C] = x2;
    }
  }
  // The last threads begin with what the first ones have no time for.
  const uint back = threads - 1 - tid;
  float *gate = s.kq + p.tile; // [tile V]
  gates(s, a, dt, A, b, p, token, p.T, h, back, threads);
  UNROLL_4 for (uint i = back; i < p.T * p.V; i += threads)
    gate[i] = gated(1.0f, norm[i % p.V], z[((token + i / p.V) * p.H + h) * p.V + i % p.V], p.sigmoid != 0);
  BARRIER();
  // Whether this head is the last one of its key head is known when the rule is done.
  bool read_last = false;
  if (tid == 0 && p.H != p.Hk) read_last = take(tickets + seq * p.Hk + hk, p.H / p.Hk);
  normalise(s, p, K, p.T, tid / 32, threads / 32, tid % 32);
  BARRIER();
  scan<L, true>(r, s, p, K, p.T, tid / L, groups, p.V, tid % L);
  store_state<L, true>(S, r, tid / L, groups, p.V, K, tid % L);
  if (tid == 0) {
    if (read_last) fence();
    *last = read_last;
  }
  BARRIER();
  NO_UNROLL for (uint t = tid / 32; t < p.T; t += threads / 32) {
    const float *row = s.o + t * p.V;
    float sum = 0.0f;
    UNROLL_4 for (uint i = tid % 32; i < p.V; i += 32) sum += row[i] * row[i];
    const float r = k_rsqrt(k_div(simd_sum(sum), (float)p.V) + p.normEps);
    UNROLL_4 for (uint i = tid % 32; i < p.V; i += 32) y[((token + t) * p.H + h) * p.V + i] = row[i] * r * gate[t * p.V + i];
  }
  if (*last) {
    NO_UNROLL for (uint i = tid; i < 2 * K; i += threads) {
      const uint c = i < K ? hk * K + i : (p.Hk + hk) * K + i - K;
      conv_shift(x + token * p.C + c, conv + (ulong64)slot * 3 * p.C + c, p.T, 4, p.C);
    }
  }
}

#define DELTA_BLOCK(NAME, L) \
KERNEL(NAME, 512, BUF(0, float, conv), BUF(1, float, state), BUF(2, const int, slots), BUF(3, const float, x), BUF(4, const float, w), \
       BUF(5, const float, a), BUF(6, const float, dt), BUF(7, const float, A), BUF(8, const float, b), BUF(9, const float, norm), \
       BUF(10, const float, z), BUF(11, float, y), BUF(12, uint, tickets), PARAMS(13, DeltaParams, p)) \
{ SHARED uint last; delta_block<L>(dynamic, conv, state, slots, x, w, a, dt, A, b, norm, z, y, tickets, &last, p, BID_X, BID_Y, TID_X, BDIM_X); }

DELTA_BLOCK(delta_block_16, 1)
DELTA_BLOCK(delta_block_32, 2)
DELTA_BLOCK(delta_block_64, 4)
DELTA_BLOCK(delta_block_128, 8)
