// Experts of a few tokens: products of rows of activations with the weights of the
// experts that the tokens use. Experts out of range add nothing.
#include "act_dot.h"
#include "async.h"

SHARED_DYNAMIC(uchar, memory);

#define WARPS 8
#define ROWS 2 // of weights, a warp

// The products of one row of K activations with F rows of an expert's weights, for
// each of U experts of N tokens, and for the shared expert with S rows behind them
// where there is one. A token has one row of activations for all experts, or, with
// each, one for each of them. Block (tile, use, token).
struct ExpertParams { uint E, K, F, S, U, each; float eps; };

// GATED is silu(gate)·up; without, up is null.
template <class A, bool GATED>
DEV void experts_up(const float *x, const float *norm, const int *experts, const uchar *gate, const uchar *up,
                    const uchar *shared_gate, const uchar *shared_up, float *y, float *ys, const ExpertParams &p, float *part) {
  const uint use = BID_Y, token = BID_Z, lane = LANE, items = p.K / A::ELEMS;
  const bool shared = use == p.U;
  const uint F = shared ? p.S : p.F, first = (BID_X * WARPS + TID_X / 32) * ROWS;
  if (BID_X * WARPS * ROWS >= F) return;
  const ulong64 row = A::row_bytes(p.K);
  uint e = 0;
  float *to = ys + (ulong64)token * F;
  if (!shared) {
    e = (uint)experts[token * p.U + use];
    to = y + ((ulong64)token * p.U + use) * F;
  }
  const ulong64 at = ((ulong64)e * F + first) * row;
  const uchar *gs = (shared ? shared_gate : gate) + at, *us = GATED ? (shared ? shared_up : up) + at : 0;
  const uint rows = !shared && e >= p.E ? 0 : first >= F ? 0 : F - first < ROWS ? F - first : ROWS; // that there are
  NO_UNROLL for (ulong64 i = 128 * lane; i < rows * row; i += 128 * 32) {
    prefetch(gs + i);
    if (GATED) prefetch(us + i);
  }
  x += (ulong64)(p.each ? token * p.U + use : token) * p.K;
  float factor;
  norm_factors<1>(x, norm, p.eps, p.K, 1, part, &factor);
  A::put(memory, x, norm, factor, p.K);
  BARRIER();
  float g[ROWS] = {}, u[ROWS] = {};
  NO_UNROLL for (uint i = lane; i < items; i += 32) {
    UNROLL for (uint r = 0; r < ROWS; r++) {
      if (r >= rows) continue;
      g[r] += A::dot(gs + r * row, i, memory, p.K, i);
      if (GATED) u[r] += A::dot(us + r * row, i, memory, p.K, i);
    }
  }
  UNROLL for (uint r = 0; r < ROWS; r++) {
    float v = simd_sum(g[r]);
    if (GATED) v = k_silu(v) * simd_sum(u[r]);
    if (lane == 0 && first + r < F) to[first + r] = v;
  }
}

#define ACTS(type, A)                                                                                          \
  KERNEL(experts_up_##type, 256, BUF(0, const float, x), BUF(1, const float, norm), BUF(2, const int, experts), \
         BUF(3, const uchar, gate), BUF(4, const uchar, up), BUF(5, const uchar, shared_gate),                  \
         BUF(6, const uchar, shared_up), BUF(7, float, y), BUF(8, float, ys), PARAMS(9, ExpertParams, p)) {     \
    SHARED float part[WARPS];                                                                                   \
    experts_up<A, true>(x, norm, experts, gate, up, shared_gate, shared_up, y, ys, p, part);                    \
  }                                                                                                             \
  KERNEL(expert_matmul_##type, 256, BUF(0, const float, x), BUF(1, const int, experts), BUF(2, const uchar, w), \
         BUF(3, float, y), PARAMS(4, ExpertParams, p)) {                                                        \
    experts_up<A, false>(x, 0, experts, w, 0, 0, 0, y, 0, p, 0);                                                \
  }
ALL_ACTS
#undef ACTS

// y = r + Σ_u weight_u·(a_u D_uᵀ) + (s Sᵀ)·gate for M rows; S and gate may be null. A warp
// has a row and adds up what all experts give. Block (tile, token).
struct DownParams { uint E, U, F, H, M; };

template <class A>
DEV void experts_down(const float *a, const int *experts, const float *weights, const uchar *down, const float *s,
                      const uchar *shared, const float *gate, const float *r, float *y, const DownParams &p) {
  const uint token = BID_Y, lane = LANE, m = BID_X * WARPS + TID_X / 32, K = p.U * p.F, items = p.F / A::ELEMS;
  const ulong64 row = A::row_bytes(p.F);
  experts += token * p.U, weights += token * p.U;
  if (m < p.M) {
    const uint lines = (uint)((row + 127) / 128);
    NO_UNROLL for (uint i = lane; i < p.U * lines; i += 32) {
      const uint e = (uint)experts[i / lines];
      if (e < p.E) prefetch(down + ((ulong64)e * p.M + m) * row + (ulong64)128 * (i % lines));
    }
  }
  uchar *own = memory + A::bytes(K);
  A::put(memory, a + (ulong64)token * K, 0, 1.0f, K);
  if (shared) A::put(own, s + (ulong64)token * p.H, 0, 1.0f, p.H);
  BARRIER();
  if (m >= p.M) return;
  float sum = 0.0f;
  NO_UNROLL for (uint at = lane; at < p.U * items; at += 32) {
    const uint u = at / items, e = (uint)experts[u];
    if (e < p.E) sum = k_fma(weights[u], A::dot(down + ((ulong64)e * p.M + m) * row, at - u * items, memory, K, at), sum);
  }
  if (shared) {
    const float by = gate ? gate[token] : 1.0f;
    shared += (ulong64)m * A::row_bytes(p.H);
    NO_UNROLL for (uint i = lane; i < p.H / A::ELEMS; i += 32) sum = k_fma(by, A::dot(shared, i, own, p.H, i), sum);
  }
  sum = simd_sum(sum);
  const ulong64 at = (ulong64)token * p.M + m;
  if (lane == 0) y[at] = r[at] + sum;
}

#define ACTS(type, A)                                                                                                \
  KERNEL(experts_down_##type, 256, BUF(0, const float, a), BUF(1, const int, experts), BUF(2, const float, weights), \
         BUF(3, const uchar, down), BUF(4, const float, s), BUF(5, const uchar, shared), BUF(6, const float, gate),  \
         BUF_ALIASED(7, const float, r), BUF_ALIASED(8, float, y), PARAMS(9, DownParams, p)) {                       \
    experts_down<A>(a, experts, weights, down, s, shared, gate, r, y, p);                                            \
  }
ALL_ACTS
