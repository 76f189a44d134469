// Experts of a few tokens, whose weights are read for each token: a warp has rows of
// one expert, or a row of all experts that are summed. Experts out of range add
// nothing, and nothing is written for them.
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

// What a warp sums: row w of expert 0, stride bytes before that of the next one, times K
// activations for each of U experts, times its weight. No list of experts means expert 0;
// no weights, 1.
struct Sum {
  const uchar *w;
  ulong64 stride;
  const uint *experts;
  const float *weights;
  uint type, E, U, K;
};

DEV const uchar *row_of(const Sum &s, uint u) {
  const uint e = s.experts ? s.experts[u] : 0;
  return e < s.E ? s.w + e * s.stride : 0;
}
DEV float weight_of(const Sum &s, uint u) { return s.weights ? s.weights[u] : 1.0f; }

DEV uint sum_bytes(const Sum &s) { return s.type < 4 ? (4 * s.U * s.K + 15) & ~15u : token_bytes(s.U * s.K); }

// Makes the activations of a sum, and has its weights brought to the L2 cache.
DEV void begin_sum(const Sum &s, const float *x, uchar *acts, uint row_bytes) {
  const uint lines = (row_bytes + 127) / 128, K = s.U * s.K;
  for (uint i = LANE; i < s.U * lines; i += 32) {
    const uchar *row = row_of(s, i / lines);
    if (row) prefetch(row + 128 * (i % lines));
  }
  const float one = 1.0f;
  if (s.type >= 4) round_tokens<1>(x, 0, &one, K, 1, acts);
  else
    for (uint i = TID_X; i < K; i += 256) ((float *)acts)[i] = x[i];
}

template <class W> DEV float sum_plain(const Sum &s, const float *acts, uchar *) {
  const uint each = s.K % 8 == 0 ? 8 : 1, items = s.K / each;
  float sum = 0.0f;
#pragma unroll 2
  for (uint i = LANE; i < s.U * items; i += 32) {
    const uint u = i / items, k = each * (i - u * items);
    const uchar *row = row_of(s, u);
    if (!row) continue;
    const float *x = acts + u * s.K + k;
    float v = 0.0f;
    if (each == 8) {
      float w[8];
      W::eight(row, k, w);
      const float4 a = *(const float4 *)x, b = *(const float4 *)(x + 4);
      v = dot4(make_float4(w[0], w[1], w[2], w[3]), a) + dot4(make_float4(w[4], w[5], w[6], w[7]), b);
    } else {
      v = W::at(row, k) * *x;
    }
    sum = k_fma(weight_of(s, u), v, sum);
  }
  return sum;
}

// Block formats, K of at least 256: 32 runs at a time pass through shared memory, one a
// lane. Those of an expert lie together, in copies of 16 bytes: the first of them, run
// first of the 32, begins at slot plus its address's last 4 bits.
template <class W> DEV uint slot(uint first, uint expert) { return (first / (W::ELEMS / 32) * W::BYTES & ~15u) + 32 * expert; }

template <class W> DEV float sum_blocks(const Sum &s, const uchar *acts, uchar *ring) {
  const uint RUNS = W::ELEMS / 32, ROOM = (32 / RUNS * W::BYTES + 32 * 5 + 15) & ~15u;
  const int STAGES = RING / ROOM;
  static_assert(RING / ((32 / (W::ELEMS / 32) * W::BYTES + 32 * 5 + 15) & ~15) >= 2, "two stages");
  const uint lane = LANE, items = s.K / 32, all = s.U * items;
  uint next = 0;
  auto begin = [&](uint stage) {
    const uint end = next + 32 < all ? next + 32 : all;
    uint part = 0;
    for (uint i = next; i < end; part++) {
      const uint u = i / items, k = i - u * items, n = items - k < end - i ? items - k : end - i;
      const uchar *row = row_of(s, u);
      if (row) {
        row += k / RUNS * W::BYTES;
        const uint off = (uint)(ulong64)row & 15, bytes = off + n / RUNS * W::BYTES, to = shared_at(ring) + stage * ROOM + slot<W>(i - next, part);
        for (uint at = 16 * lane; at < bytes; at += 512) copy_async(to + at, row - off + at, bytes - at < 16 ? bytes - at : 16);
      }
      i += n;
    }
    next += 32;
    commit_copies();
  };
  NO_UNROLL for (uint i = 0; i < STAGES; i++) begin(i);

  const Token x = Token::of(acts, s.U * s.K, 0);
  float sum = 0.0f;
  uint stage = 0;
  for (uint from = 0; from < all; from += 32) {
    wait_copies<STAGES - 1>();
    SIMD_BARRIER();
    const uint i = from + lane, u = i / items;
    const uchar *row = i < all ? row_of(s, u) : 0;
    if (row) {
      const uint begins = u * items, first = begins < from ? from : begins, off = (uint)(ulong64)(row + (first - begins) / RUNS * W::BYTES) & 15;
      Run r;
      W::run(ring + stage * ROOM + slot<W>(first - from, u - from / items) + off + (i - first) / RUNS * W::BYTES, i % RUNS, r);
      const uint4 a = token_half(x, i, 0), b = token_half(x, i, 1);
      const uint q[8] = {a.x, a.y, a.z, a.w, b.x, b.y, b.z, b.w};
      sum = k_fma(weight_of(s, u) * token_scale(x, i), run_dot<W>(r, q, W::MINIMA ? token_sums(x, i) : 0), sum);
    }
    SIMD_BARRIER();
    begin(stage);
    stage = stage + 1 == STAGES ? 0 : stage + 1;
  }
  wait_copies<0>();
  return sum;
}

DEV float sum_of(const Sum &s, const uchar *acts, uchar *ring) {
  switch (s.type) {
#define PLAIN_SUM(ID, NAME, W) case ID: return sum_plain<W>(s, (const float *)acts, ring);
#define BLOCK_SUM(ID, NAME, W) case ID: return sum_blocks<W>(s, acts, ring);
    PLAIN_WEIGHTS(PLAIN_SUM)
    BLOCK_WEIGHTS(BLOCK_SUM)
  }
  return 0.0f;
}

// y = r + Σ_u weight_u·(a_u D_uᵀ) + (s Sᵀ)·gate for M rows; gate may be null. A warp has
// a row. Block (rows, token).
struct DownParams { uint E, U, F, H, M, type[2], row_bytes[2]; };

KERNEL(experts_down, TWO_BLOCKS, BUF(0, const float, a), BUF(1, const uint, experts), BUF(2, const float, weights), BUF(3, const uchar, down),
       BUF(4, const float, s), BUF(5, const uchar, shared), BUF(6, const float, gate), BUF(7, const float, r), BUF(8, float, y),
       PARAMS(9, DownParams, p)) {
  const uint token = BID_Y, m = BID_X * WARPS + TID_X / 32, row = m < p.M ? m : p.M - 1;
  auto sum = [&](bool other) -> Sum {
    const uint bytes = chosen(other, p.row_bytes[1], p.row_bytes[0]);
    return {chosen(other, shared, down) + (ulong64)row * bytes,
            (ulong64)p.M * bytes,
            chosen(other, (const uint *)0, experts + token * p.U),
            chosen(other, gate ? gate + token : 0, weights + token * p.U),
            chosen(other, p.type[1], p.type[0]),
            chosen(other, 1u, p.E),
            chosen(other, 1u, p.U),
            chosen(other, p.H, p.F)};
  };
  uchar *second = memory + sum_bytes(sum(false)), *ring = second + sum_bytes(sum(true)) + TID_X / 32 * RING;
  begin_sum(sum(false), a + (ulong64)token * p.U * p.F, memory, p.row_bytes[0]);
  begin_sum(sum(true), s + (ulong64)token * p.H, second, p.row_bytes[1]);
  BARRIER();
  float v = 0.0f;
  NO_UNROLL for (uint i = 0; i < 2; i++) v += sum_of(sum(i), chosen(i, second, memory), ring);
  v = simd_sum(v);
  const ulong64 at = (ulong64)token * p.M + row;
  if (LANE == 0 && m < p.M) y[at] = r[at] + v;
}
