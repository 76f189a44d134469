// Experts of a few tokens, whose weights are read for each token: a warp has rows of
// one expert, or one row of all experts that are summed. Experts out of range add
// nothing, and nothing is written for them.
#include "act_dot.h"
#include "matvec.h"

// A token's row of k activations times the weights of each of its U experts, and of the
// shared expert behind them where there is one, as mode says. Weights of experts are
// types, rows and bytes 0, those of the shared one 1. With each, a token has a row of
// activations for each expert. Block (some of the rows, use, token).
struct UpParams { uint E, U, k, mode, each; float eps; uint type[2], rows[2], row_bytes[2]; };

KERNEL(experts_up, TWO_BLOCKS, BUF(0, const float, x), BUF(1, const float, norm), BUF(2, const uint, experts), BUF(3, const uchar, gate),
       BUF(4, const uchar, up), BUF(5, const uchar, shared_gate), BUF(6, const uchar, shared_up), BUF(7, float, y), BUF(8, float, ys),
       PARAMS(9, UpParams, p)) {
  SHARED float part[WARPS];
  const uint use = BID_Y, token = BID_Z, pair = token * p.U + use, job = BID_X * WARPS + TID_X / 32, step = GDIM_X * WARPS;
  const bool shared = use == p.U;
  const uint rows = chosen(shared, p.rows[1], p.rows[0]), row_bytes = chosen(shared, p.row_bytes[1], p.row_bytes[0]);
  Work work = {shared_gate, shared_up, row_bytes, rows, p.k, job, rows, step, p.mode, 1, 0,
               ys + (ulong64)token * rows};
  if (!shared) {
    const uint e = experts[pair];
    if (e >= p.E) return;
    const ulong64 at = (ulong64)e * rows * row_bytes;
    work.a = gate + at, work.b = up + at, work.y = y + (ulong64)pair * rows;
  }
  if (p.mode != 2) work.b = work.a + row_bytes, work.jobs = (rows + 1) / 2, work.stride = 2 * row_bytes;
  if (BID_X * WARPS >= work.jobs) return;
  multiply<1>(work, chosen(shared, p.type[1], p.type[0]), row_bytes, (const uchar *)(x + (ulong64)(p.each ? pair : token) * p.k), norm,
              p.eps, false, memory, part);
}

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
