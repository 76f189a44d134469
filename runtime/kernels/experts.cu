// Experts of a few tokens: products of rows of activations with the weights of the
// experts that the tokens use. Experts out of range add nothing.
#include "act_dot.h"

SHARED_DYNAMIC(uchar, memory);

#define WARPS 8
#define ROWS 2 // of weights, a warp

// 1 / sqrt(mean x² + eps) of a row, by all threads of a block.
DEV float norm_of(const float *x, uint K, float eps, float *part, uint tid) {
  float sum = 0.0f;
  NO_UNROLL for (uint i = tid; i < K; i += 32 * WARPS) sum += x[i] * x[i];
  sum = simd_sum(sum);
  if (tid % 32 == 0) part[tid / 32] = sum;
  BARRIER();
  sum = ((part[0] + part[1]) + (part[2] + part[3])) + ((part[4] + part[5]) + (part[6] + part[7]));
  return k_rsqrt(k_div(sum, (float)K) + eps);
}

// The products of one row of K activations with F rows of an expert's weights, for
// each of U experts of N tokens, and for the shared expert with S rows behind them
// where there is one. A token has one row of activations for all experts, or, with
// each, one for each of them. Block (tile, use, token).
struct ExpertParams { uint E, K, F, S, U, each; float eps; };

// GATED is silu(gate)·up; without, up is null.
template <class A, bool GATED>
DEV void experts_up(const float *x, const float *norm, const int *experts, const uchar *gate, const uchar *up,
                    const uchar *shared_gate, const uchar *shared_up, float *y, float *ys, const ExpertParams &p, float *part) {
  const uint use = BID_Y, token = BID_Z, tid = TID_X, lane = tid % 32, items = p.K / A::ELEMS;
  const bool shared = use == p.U;
  const uint F = shared ? p.S : p.F, first = (BID_X * WARPS + tid / 32) * ROWS;
  if (BID_X * WARPS * ROWS >= F) return;
  A acts(memory, items);
  x += (ulong64)(p.each ? token * p.U + use : token) * p.K;
  acts.put(0, x, norm, p.K, norm ? norm_of(x, p.K, p.eps, part, tid) : 1.0f, 1.0f, tid, 32 * WARPS);
  BARRIER();
  const ulong64 row = A::row_bytes(p.K);
  uint e = 0;
  float *to = ys + (ulong64)token * F;
  if (!shared) {
    e = (uint)experts[token * p.U + use];
    to = y + ((ulong64)token * p.U + use) * F;
  }
  float g[ROWS] = {}, u[ROWS] = {};
  if (shared || e < p.E) {
    const ulong64 at = ((ulong64)e * F + first) * row;
    const uchar *gs = (shared ? shared_gate : gate) + at, *us = GATED ? (shared ? shared_up : up) + at : 0;
    NO_UNROLL for (uint i = lane; i < items; i += 32) {
      UNROLL for (int r = 0; r < ROWS; r++) {
        if (first + r >= F) continue;
        g[r] += acts.dot(gs + r * row, i, i);
        if (GATED) u[r] += acts.dot(us + r * row, i, i);
      }
    }
  }
  UNROLL for (int r = 0; r < ROWS; r++) {
    float v = simd_sum(g[r]);
    if (GATED) v = k_silu(v) * simd_sum(u[r]);
    if (lane == 0 && first + r < F) to[first + r] = v;
  }
}

#define ACTS(type, A)                                                                                          \
  KERNEL(experts_up_##type, 256, BUF(0, const float, x), BUF(1, const float, norm), BUF(2, const int, experts),         \
         BUF(3, const uchar, gate), BUF(4, const uchar, up), BUF(5, const uchar, shared_gate),                            \
         BUF(6, const uchar, shared_up), BUF(7, float, y), BUF(8, float, ys), PARAMS(9, ExpertParams, p)) {                \
    SHARED float part[WARPS];                                                                                             \
    experts_up<A, true>(x, norm, experts, gate, up, shared_gate, shared_up, y, ys, p, part);                              \
  }                                                                                                                       \
  KERNEL(expert_matmul_##type, 256, BUF(0, const float, x), BUF(1, const int, experts), BUF(2, const uchar, w),           \
         BUF(3, float, y), PARAMS(4, ExpertParams, p)) {                                                                  \
    experts_up<A, false>(x, 0, experts, w, 0, 0, 0, y, 0, p, 0);                                                          \
  }
ALL_ACTS
#undef ACTS

// y = r + Σ_u weight_u·(a_u D_uᵀ) + (s Sᵀ)·gate for M rows; S and gate may be null. A warp
// has a row and adds up what all experts give. Block (tile, token).
struct DownParams { uint E, U, F, H, M; };

template <class A>
DEV void experts_down(const float *a, const int *experts, const float *weights, const uchar *down, const float *s,
                      const uchar *shared, const float *gate, const float *r, float *y, const DownParams &p) {
  const uint token = BID_Y, tid = TID_X, m = BID_X * WARPS + tid / 32, items = p.F / A::ELEMS,
             own = p.U * items, all = own + (shared ? p.H / A::ELEMS : 0);
  A acts(memory, all);
  experts += token * p.U, weights += token * p.U;
  NO_UNROLL for (uint u = 0; u < p.U; u++)
    acts.put(u * items, a + ((ulong64)token * p.U + u) * p.F, 0, p.F, 1.0f, weights[u], tid, 32 * WARPS);
  if (shared) acts.put(own, s + (ulong64)token * p.H, 0, p.H, 1.0f, gate ? gate[token] : 1.0f, tid, 32 * WARPS);
  BARRIER();
  if (m >= p.M) return;
  const ulong64 row = A::row_bytes(p.F);
  float sum = 0.0f;
  NO_UNROLL for (uint at = tid % 32; at < own; at += 32) {
    const uint u = at / items, e = (uint)experts[u];
    if (e < p.E) sum += acts.dot(down + ((ulong64)e * p.M + m) * row, at - u * items, at);
  }
  if (shared) shared += (ulong64)m * A::row_bytes(p.H);
  NO_UNROLL for (uint at = own + tid % 32; at < all; at += 32) sum += acts.dot(shared, at - own, at);
  sum = simd_sum(sum);
  const ulong64 at = (ulong64)token * p.M + m;
  if (tid % 32 == 0) y[at] = r[at] + sum;
}

#define ACTS(type, A)                                                                                             \
  KERNEL(experts_down_##type, 256, BUF(0, const float, a), BUF(1, const int, experts), BUF(2, const float, weights),         \
         BUF(3, const uchar, down), BUF(4, const float, s), BUF(5, const uchar, shared), BUF(6, const float, gate),          \
         BUF_ALIASED(7, const float, r), BUF_ALIASED(8, float, y), PARAMS(9, DownParams, p)) {                               \
    experts_down<A>(a, experts, weights, down, s, shared, gate, r, y, p);                                                    \
  }
ALL_ACTS
