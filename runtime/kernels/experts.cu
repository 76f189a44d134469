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

// What a warp sums: the rows from row on, side by side in the matrix of an expert, which
// is stride bytes, times K activations for each of U experts, times its weight. No list of experts
// means expert 0; no weights, 1. There are rows of them.
struct Sum {
  const uchar *w;
  ulong64 stride;
  const uint *experts;
  const float *weights;
  uint type, E, U, K, row_bytes, row, rows;
};

// Where the first row of use u is; null for an expert out of range.
DEV const uchar *rows_of(const Sum &s, uint u) {
  const uint e = s.experts ? s.experts[u] : 0;
  return e < s.E ? s.w + e * s.stride + (ulong64)s.row * s.row_bytes : 0;
}
DEV float weight_of(const Sum &s, uint u) { return s.weights ? s.weights[u] : 1.0f; }

DEV uint sum_bytes(const Sum &s) { return s.type < 4 ? (4 * s.U * s.K + 15) & ~15u : token_bytes(s.U * s.K); }

// Makes the activations of a sum, and has its weights brought to the L2 cache.
DEV void begin_sum(const Sum &s, const float *x, uchar *acts) {
  const uint lines = (s.rows * s.row_bytes + 127) / 128, K = s.U * s.K;
  for (uint i = LANE; i < s.U * lines; i += 32) {
    const uchar *rows = rows_of(s, i / lines);
    if (rows) prefetch(rows + 128 * (i % lines));
  }
  const float one = 1.0f;
  if (s.type >= 4) round_tokens<1>(x, 0, &one, K, 1, acts);
  else
    for (uint i = TID_X; i < K; i += 256) ((float *)acts)[i] = x[i];
}

// The sums of all rows: lane l has that of row l.
template <class W> DEV float sum_plain(const Sum &s, const float *acts, uchar *) {
  const uint each = s.K % 8 == 0 ? 8 : 1, items = s.K / each;
  float mine = 0.0f;
  for (uint r = 0; r < s.rows; r++) {
    float sum = 0.0f;
#pragma unroll 2
    for (uint i = LANE; i < s.U * items; i += 32) {
      const uint u = i / items, k = each * (i - u * items);
      const uchar *row = rows_of(s, u);
      if (!row) continue;
      row += (ulong64)r * s.row_bytes;
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
    sum = simd_sum(sum);
    if (LANE == r) mine = sum;
  }
  return mine;
}

// How many rows of K elements in blocks are taken at once, as pieces of 32 runs have room.
DEV uint rows_at_once(uint K) { return K <= 256 ? 4 : K <= 512 ? 2 : 1; }

// Block formats: a piece is some short rows of an expert, or part of a long one.
template <class W> DEV float sum_blocks(const Sum &s, const uchar *acts, uchar *ring) {
  const uint RUNS = W::ELEMS / 32, PIECE = piece_bytes<W>(), ROOM = piece_room<W>();
  const int STAGES = RING / ROOM;
  const uint lane = LANE, items = s.K / 32, together = rows_at_once(s.K), span = 32 / together;
  const uint own = lane / span, at = lane % span; // row of those at once, and run of the piece

  uint next_row = 0, next_use = 0, next_byte = 0; // of what is fetched next
  auto begin = [&](uint stage) {
    if (next_row < s.rows) {
      const uint many = s.rows - next_row < together ? s.rows - next_row : together, all = many * s.row_bytes;
      const uint bytes = all - next_byte < PIECE ? all - next_byte : PIECE;
      const uchar *from = rows_of(s, next_use);
      if (from) fetch<W>(shared_at(ring) + stage * ROOM, from + (ulong64)next_row * s.row_bytes + next_byte, bytes);
      if ((next_byte += bytes) == all) {
        next_byte = 0;
        if (++next_use == s.U) next_use = 0, next_row += together;
      }
    }
    commit_copies();
  };
  NO_UNROLL for (uint i = 0; i < STAGES; i++) begin(i);

  const Token x = Token::of(acts, s.U * s.K, 0);
  float mine = 0.0f;
  uint stage = 0;
  for (uint row = 0; row < s.rows; row += together) {
    float sum = 0.0f;
    for (uint u = 0; u < s.U; u++) {
      const uchar *from = rows_of(s, u);
      const float weight = weight_of(s, u);
      for (uint run = 0; run < items; run += span) {
        wait_copies<STAGES - 1>();
        SIMD_BARRIER();
        if (from && run + at < items && row + own < s.rows) {
          const uint off = begins_at<W>(from + (ulong64)row * s.row_bytes + run / RUNS * W::BYTES), i = u * items + run + at;
          Run r;
          W::run(ring + stage * ROOM + off + own * s.row_bytes + at / RUNS * W::BYTES, at % RUNS, r);
          const uint4 a = token_half(x, i, 0), b = token_half(x, i, 1);
          const uint q[8] = {a.x, a.y, a.z, a.w, b.x, b.y, b.z, b.w};
          sum = k_fma(weight * token_scale(x, i), run_dot<W>(r, q, W::MINIMA ? token_sums(x, i) : 0), sum);
        }
        SIMD_BARRIER();
        begin(stage);
        stage = stage + 1 == STAGES ? 0 : stage + 1;
      }
    }
    for (uint m = span / 2; m; m >>= 1) sum += simd_shuffle_xor(sum, m);
    const float v = simd_shuffle_one(sum, (lane - row) % together * span);
    if (lane >= row && lane < row + together) mine = v;
  }
  wait_copies<0>();
  return mine;
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
// some rows. Block (rows, token).
struct DownParams { uint E, U, F, H, M, rows, type[2], row_bytes[2]; };

KERNEL(experts_down, TWO_BLOCKS, BUF(0, const float, a), BUF(1, const uint, experts), BUF(2, const float, weights), BUF(3, const uchar, down),
       BUF(4, const float, s), BUF(5, const uchar, shared), BUF(6, const float, gate), BUF(7, const float, r), BUF(8, float, y),
       PARAMS(9, DownParams, p)) {
  const uint token = BID_Y, first = (BID_X * WARPS + TID_X / 32) * p.rows, rest = first < p.M ? p.M - first : 0;
  auto sum = [&](bool other) -> Sum {
    const uint bytes = chosen(other, p.row_bytes[1], p.row_bytes[0]);
    return {chosen(other, shared, down),
            (ulong64)p.M * bytes,
            chosen(other, (const uint *)0, experts + token * p.U),
            chosen(other, gate ? gate + token : 0, weights + token * p.U),
            chosen(other, p.type[1], p.type[0]),
            chosen(other, 1u, p.E),
            chosen(other, 1u, p.U),
            chosen(other, p.H, p.F),
            bytes,
            first,
            rest < p.rows ? rest : p.rows};
  };
  uchar *second = memory + sum_bytes(sum(false)), *ring = second + sum_bytes(sum(true)) + TID_X / 32 * RING;
  begin_sum(sum(false), a + (ulong64)token * p.U * p.F, memory);
  begin_sum(sum(true), s + (ulong64)token * p.H, second);
  BARRIER();
  float v = 0.0f;
  NO_UNROLL for (uint i = 0; i < 2; i++) v += sum_of(sum(i), chosen(i, second, memory), ring);
  const ulong64 at = (ulong64)token * p.M + first + LANE;
  if (LANE < p.rows && LANE < rest) y[at] = r[at] + v;
}
