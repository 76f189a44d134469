// Products of up to T tokens with weights, the work of a step that generates: the
// time is that of reading the weights once.
//
// A launch has up to 8 weights of any types; each has blocks of its own, a share that
// goes by its bytes. A warp takes two rows at a time, every so many rows, and the next
// ones are on their way while it computes. A block first makes the activations that
// its weight wants in shared memory, so that a norm and all products that read it are
// one launch.
#include "activations.h"
#include "async.h"
#include "quant.h"

#define WARPS 8
#define RING 4608 // bytes of shared memory that a warp's weights pass through

// mode: store the products, add them to residual, or silu(product 0)·product 1, which
// takes two weights of one type and size. rounded says that x is what round_tokens
// writes, of T tokens. A weight i has the blocks from first[i] on, k[i] columns and
// rows[i] rows of row_bytes[i]. Weight 1 reads x1 where pair is set, all others x.
struct MatvecParams {
  uint tokens, weights, mode, rounded, pair;
  float eps;
  uint k[8], type[8], rows[8], row_bytes[8], first[9];
};

// Each step of M lanes leaves half of 2·N sums to a lane, until one is left.
template <int N, int M> DEV void halve(float *v, uint lane) {
  const bool upper = (lane & M) != 0;
  UNROLL for (int i = 0; i < N; i++) {
    const float a = v[i], b = v[i + N], sent = simd_shuffle_xor(upper ? a : b, M);
    v[i] = (upper ? b : a) + sent;
  }
  if constexpr (N > 1) halve<N / 2, M / 2>(v, lane);
}

// Sums v[2·T] over the lanes: lane l has what belongs to row l/16 and token
// l%16/(16/T).
template <int T> DEV float sums_of(float *v, uint lane) {
  halve<T, 16>(v, lane);
  float s = v[0];
  UNROLL for (int m = 8 / T; m > 0; m >>= 1) s += simd_shuffle_xor(s, m);
  return s;
}

// What a warp does for a weight: jobs from job on, step apart. A job is two rows, at a
// and b and so many times stride further on.
struct Work {
  const uchar *a, *b;
  uint stride, rows, k, job, jobs, step, mode, tokens;
  const float *residual;
  float *y;
};

// Where a job's rows are. Where the last has only one, it stands for both.
DEV const uchar *row_a(const Work &w, uint job) { return w.a + (ulong64)job * w.stride; }
DEV const uchar *row_b(const Work &w, uint job) {
  return (w.mode != 2 && 2 * job + 1 == w.rows ? w.a : w.b) + (ulong64)job * w.stride;
}

template <int T> DEV void finish(const Work &w, uint job, float *acc, uint lane) {
  const float v = sums_of<T>(acc, lane), other = simd_shuffle_xor(v, 16);
  const uint t = lane % 16 / (16 / T), second = lane / 16;
  if (lane % (16 / T) != 0 || t >= w.tokens) return;
  if (w.mode == 2) {
    if (!second) w.y[(ulong64)t * w.rows + job] = k_silu(v) * other;
    return;
  }
  const uint row = 2 * job + second;
  if (row >= w.rows) return;
  const ulong64 at = (ulong64)t * w.rows + row;
  w.y[at] = w.mode == 1 ? w.residual[at] + v : v;
}

// How many bytes p lies behind a multiple of 16; blocks of some types never do.
template <class W> DEV uint begins_at(const uchar *p) { return W::BYTES % 16 == 0 ? 0 : (uint)(ulong64)p & 15; }

// A piece of a row is 32 runs, one a lane. Its room has some bytes in front and behind.
template <class W> constexpr DEV uint piece_bytes() { return 32 / (W::ELEMS / 32) * W::BYTES; }
template <class W> constexpr DEV uint piece_room() { return (piece_bytes<W>() + 30) & ~15u; }

// Begins to copy bytes from a row to a piece's room, 16 at a time however blocks lie.
template <class W> DEV void fetch(uint to, const uchar *from, uint bytes) {
  const uint off = begins_at<W>(from), end = off + bytes;
  UNROLL for (uint first = 0; first < piece_room<W>(); first += 512) {
    const uint i = first + 16 * LANE;
    if (i < end) copy_async(to + i, from - off + i, W::BYTES % 16 == 0 || end - i > 16 ? 16 : end - i);
  }
}

// Block formats: rows pass through shared memory in pieces.
template <class W, int T> DEV void multiply_blocks(const Work &w, const uchar *acts, uchar *ring) {
  const uint RUNS = W::ELEMS / 32, PIECE = piece_bytes<W>(), ROOM = piece_room<W>();
  const int STAGES = RING / (2 * ROOM);
  static_assert(STAGES >= 2, "two stages");
  const uint lane = LANE, n = w.k / 32, row_bytes = n / RUNS * W::BYTES;

  uint next_job = w.job, left = row_bytes;
  const uchar *next[2] = {row_a(w, w.job), row_b(w, w.job)};
  auto begin = [&](uint stage) {
    if (next_job < w.jobs) {
      const uint bytes = left < PIECE ? left : PIECE;
      UNROLL for (int r = 0; r < 2; r++) {
        fetch<W>(shared_at(ring) + (2 * stage + r) * ROOM, next[r], bytes);
        next[r] += PIECE;
      }
      left -= bytes;
      if (left == 0) {
        next_job += w.step, left = row_bytes;
        next[0] = row_a(w, next_job), next[1] = row_b(w, next_job);
      }
    }
    commit_copies();
  };
  NO_UNROLL for (uint s = 0; s < STAGES; s++) begin(s);

  BARRIER(); // the activations are there
  uint stage = 0;
  for (uint job = w.job; job < w.jobs; job += w.step) {
    float acc[2 * T];
    UNROLL for (int i = 0; i < 2 * T; i++) acc[i] = 0.0f;
    uint low[2] = {begins_at<W>(row_a(w, job)), begins_at<W>(row_b(w, job))};
    for (uint first = 0; first < n; first += 32) {
      wait_copies<STAGES - 1>();
      SIMD_BARRIER();
      const uint block = first + lane;
      if (block < n) {
        Run r[2];
        UNROLL for (int i = 0; i < 2; i++)
          W::run(ring + (2 * stage + i) * ROOM + low[i] + lane / RUNS * W::BYTES, lane % RUNS, r[i]);
        UNROLL for (int t = 0; t < T; t++) {
          const Token a = Token::of(acts, w.k, t);
          const uint4 lo = token_half(a, block, 0), hi = token_half(a, block, 1);
          const uint x[8] = {lo.x, lo.y, lo.z, lo.w, hi.x, hi.y, hi.z, hi.w};
          const float d = token_scale(a, block);
          const uint sums = W::MINIMA ? token_sums(a, block) : 0;
          acc[t] = k_fma(d, run_dot<W>(r[0], x, sums), acc[t]);
          acc[T + t] = k_fma(d, run_dot<W>(r[1], x, sums), acc[T + t]);
        }
      }
      UNROLL for (int i = 0; i < 2; i++)
        if (W::BYTES % 16 != 0) low[i] = (low[i] + PIECE) & 15;
      SIMD_BARRIER();
      begin(stage);
      stage = stage + 1 == STAGES ? 0 : stage + 1;
    }
    finish<T>(w, job, acc, lane);
  }
}

// Types without blocks: each lane reads 16 or 32 bytes of both rows at a time.
template <class W, int T> DEV void multiply_plain(const Work &w, const float *acts) {
  const uint lane = LANE, padded = (w.k + 3) & ~3u;
  BARRIER(); // the activations are there
  for (uint job = w.job; job < w.jobs; job += w.step) {
    const uchar *const ra = row_a(w, job), *const rb = row_b(w, job);
    float acc[2 * T] = {};
    if (w.k % 8 == 0) {
#pragma unroll 4
      for (uint i = 8 * lane; i < w.k; i += 256) {
        float a[8], b[8];
        W::eight(ra, i, a);
        W::eight(rb, i, b);
        UNROLL for (int t = 0; t < T; t++) {
          UNROLL for (int h = 0; h < 8; h += 4) {
            const float4 x = *(const float4 *)(acts + t * padded + i + h);
            acc[t] = k_fma(a[h], x.x, k_fma(a[h + 1], x.y, k_fma(a[h + 2], x.z, k_fma(a[h + 3], x.w, acc[t]))));
            acc[T + t] = k_fma(b[h], x.x, k_fma(b[h + 1], x.y, k_fma(b[h + 2], x.z, k_fma(b[h + 3], x.w, acc[T + t]))));
          }
        }
      }
    } else {
      for (uint i = lane; i < w.k; i += 32) {
        const float a = W::at(ra, i), b = W::at(rb, i);
        UNROLL for (int t = 0; t < T; t++) {
          const float x = acts[t * padded + i];
          acc[t] = k_fma(a, x, acc[t]), acc[T + t] = k_fma(b, x, acc[T + t]);
        }
      }
    }
    finish<T>(w, job, acc, lane);
  }
}

#define MATVEC_BUFFERS                                                                                                \
  BUF(0, const uchar, x), BUF(1, const uchar, x1), BUF(2, const float, norm), BUF_ALIASED(3, const float, residual),  \
      BUF(4, const uchar, w0), BUF(5, const uchar, w1), BUF(6, const uchar, w2), BUF(7, const uchar, w3),             \
      BUF(8, const uchar, w4), BUF(9, const uchar, w5), BUF(10, const uchar, w6), BUF(11, const uchar, w7),           \
      BUF_ALIASED(12, float, y0), BUF(13, float, y1), BUF(14, float, y2), BUF(15, float, y3), BUF(16, float, y4),     \
      BUF(17, float, y5), BUF(18, float, y6), BUF(19, float, y7), PARAMS(20, MatvecParams, p)

// An array of parameters that is indexed would be copied to local memory.
template <class V> DEV V chosen(bool c, V a, V b) { return c ? a : b; }

// Has the first rows brought to the L2 cache, while the block makes the activations.
DEV void warm(const Work &w, uint row_bytes) {
  if (w.job >= w.jobs) return;
  for (uint at = 128 * LANE; at < row_bytes; at += 128 * 32) {
    prefetch(row_a(w, w.job) + at);
    prefetch(row_b(w, w.job) + at);
  }
}

// Makes T tokens' activations as a weight of a type wants them, unless they come rounded,
// and does the work.
template <int T>
DEV void multiply(const Work &work, uint type, uint row_bytes, const uchar *x, const float *norm, float eps, bool rounded,
                  uchar *memory, float *part) {
  warm(work, row_bytes);

  const bool plain = type < 4;
  const uint K = work.k, padded = (K + 3) & ~3u, bytes = T * (plain ? padded * 4 : token_bytes(K));
  uchar *ring = memory + bytes + TID_X / 32 * RING;
  const float *acts = (const float *)x;
  if (rounded) {
    for (uint at = 16 * TID_X; at < bytes; at += 16 * 256) *(uint4 *)(memory + at) = *(const uint4 *)(x + at);
  } else {
    float factor[T];
    norm_factors<T>(acts, norm, eps, K, work.tokens, part, factor);
    if (plain) {
#pragma unroll 4
      for (uint k = TID_X; k < K; k += 256) {
        const float w = norm ? norm[k] : 1.0f;
        UNROLL for (int t = 0; t < T; t++)
          ((float *)memory)[t * padded + k] = t < work.tokens ? acts[(ulong64)t * K + k] * factor[t] * w : 0.0f;
      }
    } else {
      round_tokens<T>(acts, norm, factor, K, work.tokens, memory);
    }
  }
  switch (type) {
#define PLAIN_CASE(ID, NAME, W) case ID: multiply_plain<W, T>(work, (const float *)memory); break;
#define BLOCK_CASE(ID, NAME, W) case ID: multiply_blocks<W, T>(work, memory, ring); break;
    PLAIN_WEIGHTS(PLAIN_CASE)
    BLOCK_WEIGHTS(BLOCK_CASE)
  }
}

template <int T>
DEV void matvec(const uchar *x, const uchar *x1, const float *norm, const float *residual, const uchar *const *w, float *const *y,
                const MatvecParams &p, uchar *memory, float *part) {
  Work work = {w[0], w[1], 0, p.rows[0], p.k[0], 0, 0, 0, p.mode, p.tokens, residual, y[0]};
  uint type = p.type[0], first = p.first[0], end = p.first[1], row_bytes = p.row_bytes[0];
  UNROLL for (uint j = 1; j < 8; j++) {
    const bool later = j < p.weights && BID_X >= p.first[j];
    work.a = chosen(later, w[j], work.a);
    work.y = chosen(later, y[j], work.y);
    work.rows = chosen(later, p.rows[j], work.rows);
    work.k = chosen(later, p.k[j], work.k);
    type = chosen(later, p.type[j], type);
    row_bytes = chosen(later, p.row_bytes[j], row_bytes);
    first = chosen(later, p.first[j], first);
    end = chosen(later, p.first[j + 1], end);
  }
  if (p.pair && first != 0) x = x1;
  work.job = (BID_X - first) * WARPS + TID_X / 32;
  work.step = (end - first) * WARPS;
  work.jobs = work.rows, work.stride = row_bytes;
  if (p.mode != 2) work.b = work.a + row_bytes, work.jobs = (work.rows + 1) / 2, work.stride = 2 * row_bytes;
  multiply<T>(work, type, row_bytes, x, norm, p.eps, p.rounded, memory, part);
}

#define TWO_BLOCKS 256, 2 // threads of a block, and blocks that a multiprocessor has room for
SHARED_DYNAMIC(uchar, memory);

#define MATVEC(T)                                                                         \
  KERNEL(matvec_##T, TWO_BLOCKS, MATVEC_BUFFERS) {                                        \
    SHARED float part[8 * T];                                                             \
    const uchar *const w[8] = {w0, w1, w2, w3, w4, w5, w6, w7};                           \
    float *const y[8] = {y0, y1, y2, y3, y4, y5, y6, y7};                                 \
    matvec<T>(x, x1, norm, residual, w, y, p, memory, part);                              \
  }
