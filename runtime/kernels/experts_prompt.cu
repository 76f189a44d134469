// Experts of many tokens: pairs of a token and an expert are sorted by expert, then a
// block multiplies 64 rows of an expert's weights with all of its tokens, 32 at a time.
#include "activations.h"
#include "quant.h"

// begin [E+1] and order: the pairs of expert e are order[begin[e]] to
// order[begin[e+1]-1], from the lowest on. Pairs of no expert are not among them. A
// block finds those of one expert, a warp among its part of the pairs.
struct SortParams { uint pairs, E; };

DEV uint simd_sum_uint(uint v) {
  UNROLL for (int m = 16; m; m >>= 1) v += simd_shuffle_xor_uint(v, m);
  return v;
}

KERNEL(experts_sort, 256, BUF(0, const uint, experts), BUF(1, uint, begin), BUF(2, uint, order), PARAMS(3, SortParams, p)) {
  SHARED uint lower[8], same[8];
  const uint e = BID_X, lane = TID_X % 32, warp = TID_X / 32, part = (p.pairs + 7) / 8, from = warp * part;
  const uint to = from + part < p.pairs ? from + part : p.pairs;
  uint l = 0, s = 0;
  for (uint i = from + lane; i < to; i += 32) {
    l += experts[i] < e ? 1 : 0;
    s += experts[i] == e ? 1 : 0;
  }
  l = simd_sum_uint(l), s = simd_sum_uint(s);
  if (lane == 0) lower[warp] = l, same[warp] = s;
  BARRIER();
  uint at = 0, mine = 0;
  UNROLL for (uint w = 0; w < 8; w++) {
    at += lower[w];
    if (w < warp) mine += same[w];
  }
  if (TID_X == 0) begin[e] = at;
  if (TID_X == 255 && e + 1 == p.E) begin[p.E] = at + mine + s;
  at += mine;
  for (uint i = from; i < to; i += 32) {
    const bool is = i + lane < to && experts[i + lane] == e;
    const uint all = __nvvm_vote_ballot_sync(0xffffffffu, is);
    if (is) order[at + (uint)__builtin_popcount(all & ((1u << lane) - 1))] = i + lane;
    at += (uint)__builtin_popcount(all);
  }
}

#define ROWS 64   // of weights, a block
#define TOKENS 32 // of activations
#define NONE 0xffffffffu

// D + A·B for 16 rows of A and 8 columns of B, 32 signed bytes each.
DEV void mma_bytes(int *d, uint a0, uint a1, uint a2, uint a3, uint b0, uint b1) {
  asm("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
      : "+r"(d[0]), "+r"(d[1]), "+r"(d[2]), "+r"(d[3]) : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1));
}

// A Tile multiplies STEP elements of ROWS rows with those of TOKENS tokens at a time.
// Each thread has 8 sums; sum i is that of row(i) and token(i).

// Block formats. A row of words has 4 more than it needs, so that lanes find theirs in
// banks of their own.
template <class W> struct RoundedTile {
  static const int STEP = 128, WORDS = 36;
  struct __attribute__((aligned(16))) Weights { uint q[ROWS * WORDS]; float scale[ROWS * 4][32 / W::GROUP], low[W::MINIMA ? ROWS * 4 : 1][32 / W::GROUP]; };
  struct __attribute__((aligned(16))) Acts { uint q[TOKENS * WORDS]; float scale[TOKENS * 4]; uint sums[TOKENS * 4]; };

  DEV ulong64 row_bytes(uint K) { return (ulong64)(K / W::ELEMS) * W::BYTES; }
  DEV uint row(int i) { return 16 * (TID_X / 32 & 3) + TID_X % 32 / 4 + 8 * (i >> 1 & 1); }
  DEV uint token(int i) { return 16 * (TID_X / 128) + 8 * (i >> 2) + 2 * (TID_X & 3) + (i & 1); }

  // A thread unpacks a run.
  DEV void load_weights(Weights &to, const uchar *w, ulong64 bytes, uint rows, uint K, uint k) {
    const uint row = TID_X / 4, run = k / 32 + TID_X % 4, runs = W::ELEMS / 32;
    Run r = {};
    if (row < rows && 32 * run < K) W::run(w + row * bytes + (ulong64)(run / runs) * W::BYTES, run % runs, r);
    uint4 *q = (uint4 *)(to.q + row * WORDS + 8 * (TID_X % 4));
    q[0] = (uint4){r.q[0], r.q[1], r.q[2], r.q[3]}, q[1] = (uint4){r.q[4], r.q[5], r.q[6], r.q[7]};
    UNROLL for (int g = 0; g < 32 / W::GROUP; g++) {
      to.scale[TID_X][g] = r.scale[g];
      if (W::MINIMA) to.low[TID_X][g] = r.low[g];
    }
  }
  DEV void load_acts(Acts &to, const uchar *x, const uint *from, uint K, uint k) {
    if (TID_X >= 4 * TOKENS) return;
    const uint t = TID_X / 4, run = k / 32 + TID_X % 4;
    uint4 low = {}, high = {};
    float scale = 0.0f;
    uint sums = 0;
    if (from[t] != NONE && 32 * run < K) {
      const Token a = Token::of(x + (ulong64)from[t] * token_bytes(K), K, 0);
      low = token_half(a, run, 0), high = token_half(a, run, 1), scale = token_scale(a, run);
      if (W::MINIMA) sums = token_sums(a, run);
    }
    uint4 *q = (uint4 *)(to.q + t * WORDS + 8 * (TID_X % 4));
    q[0] = low, q[1] = high;
    to.scale[TID_X] = scale, to.sums[TID_X] = sums;
  }
  DEV void multiply(const Weights &w, const Acts &x, float *sum) {
    const uint lane = TID_X % 32, r = row(0), at = lane & 3;
    UNROLL for (uint j = 0; j < 4; j++) {
      const uint *a = w.q + r * WORDS + 8 * j + at, *b = a + 8 * WORDS;
      UNROLL for (int n = 0; n < 2; n++) {
        const uint *c = x.q + (16 * (TID_X / 128) + 8 * n + lane / 4) * WORDS + 8 * j + at;
        int d[2][4] = {};
        if (W::GROUP == 32) {
          mma_bytes(d[0], a[0], b[0], a[4], b[4], c[0], c[4]);
        } else { // each half beside zeros
          mma_bytes(d[0], a[0], b[0], 0, 0, c[0], 0);
          mma_bytes(d[1], 0, 0, a[4], b[4], 0, c[4]);
        }
        UNROLL for (int i = 0; i < 4; i++) {
          const uint weight = row(4 * n + i) * 4 + j, act = token(4 * n + i) * 4 + j;
          float v = 0.0f;
          UNROLL for (int g = 0; g < 32 / W::GROUP; g++) v = k_fma(w.scale[weight][g], (float)d[g][i], v);
          if (W::MINIMA) {
            const int sums = (int)x.sums[act], first = (short)(sums & 0xffff), second = sums >> 16;
            v -= W::GROUP == 32 ? w.low[weight][0] * (float)(first + second)
                                : k_fma(w.low[weight][32 / W::GROUP - 1], (float)second, w.low[weight][0] * (float)first);
          }
          sum[4 * n + i] = k_fma(x.scale[act], v, sum[4 * n + i]);
        }
      }
    }
  }
};

// Types without blocks, in single precision.
template <class W> struct PlainTile {
  static const int STEP = 32;
  struct __attribute__((aligned(16))) Weights { float v[ROWS][33]; };
  struct __attribute__((aligned(16))) Acts { float v[TOKENS][33]; };

  DEV ulong64 row_bytes(uint K) { return (ulong64)K * W::BYTES; }
  DEV uint row(int i) { return TID_X % 16 + 16 * (i & 3); }
  DEV uint token(int i) { return TID_X / 16 + 16 * (i >> 2); }
  DEV void load_weights(Weights &to, const uchar *w, ulong64 bytes, uint rows, uint K, uint k) {
    const uint at = TID_X % 32;
    UNROLL for (uint r = TID_X / 32; r < ROWS; r += 8) to.v[r][at] = r < rows && k + at < K ? W::at(w + r * bytes, k + at) : 0.0f;
  }
  DEV void load_acts(Acts &to, const uchar *x, const uint *from, uint K, uint k) {
    const uint at = TID_X % 32;
    UNROLL for (uint t = TID_X / 32; t < TOKENS; t += 8)
      to.v[t][at] = from[t] != NONE && k + at < K ? ((const float *)x)[(ulong64)from[t] * K + k + at] : 0.0f;
  }
  DEV void multiply(const Weights &w, const Acts &x, float *sum) {
    for (int k = 0; k < STEP; k++)
      UNROLL for (int i = 0; i < 8; i++) sum[i] = k_fma(w.v[row(i)][k], x.v[token(i)][k], sum[i]);
  }
};

// y [pairs F] is each pair's row of x times the weights of its expert, and with GATED
// silu(gate)·up. each pairs have one row of x. Block
// (rows of weights, expert, which of its tiles of tokens, every so many).
struct PromptParams { uint each, K, F, parts; };

template <class T, bool GATED>
DEV void experts_prompt(const uchar *x, const uint *begin, const uint *order, const uchar *gate, const uchar *up, float *y,
                        const PromptParams &p, typename T::Weights *w, typename T::Acts &acts, uint *pair, uint *from) {
  const uint e = BID_Y, first = BID_X * ROWS, rows = p.F - first < ROWS ? p.F - first : ROWS;
  const uint start = begin[e], end = begin[e + 1];
  const ulong64 bytes = T::row_bytes(p.K);
  gate += ((ulong64)e * p.F + first) * bytes;
  if (GATED) up += ((ulong64)e * p.F + first) * bytes;
  for (uint tile = start + TOKENS * BID_Z; tile < end; tile += TOKENS * p.parts) {
    if (TID_X < TOKENS) {
      const uint at = tile + TID_X < end ? order[tile + TID_X] : NONE;
      pair[TID_X] = at;
      from[TID_X] = at == NONE ? NONE : at / p.each;
    }
    float g[8] = {}, u[8] = {};
    for (uint k = 0; k < p.K; k += T::STEP) {
      BARRIER();
      T::load_weights(w[0], gate, bytes, rows, p.K, k);
      if (GATED) T::load_weights(w[1], up, bytes, rows, p.K, k);
      T::load_acts(acts, x, from, p.K, k);
      BARRIER();
      T::multiply(w[0], acts, g);
      if (GATED) T::multiply(w[1], acts, u);
    }
    UNROLL for (int i = 0; i < 8; i++) {
      const uint r = T::row(i), to = pair[T::token(i)];
      if (r < rows && to != NONE) y[(ulong64)to * p.F + first + r] = GATED ? k_silu(g[i]) * u[i] : g[i];
    }
    BARRIER();
  }
}

#define PROMPT(name, T, GATED)                                                                                       \
  KERNEL(name, 256, BUF(0, const uchar, x), BUF(1, const uint, begin), BUF(2, const uint, order), BUF(3, const uchar, gate), \
         BUF(4, const uchar, up), BUF(5, float, y), PARAMS(6, PromptParams, p)) {                                     \
    SHARED T::Weights w[GATED ? 2 : 1];                                                                              \
    SHARED T::Acts acts;                                                                                             \
    SHARED uint pair[TOKENS], from[TOKENS];                                                                          \
    experts_prompt<T, GATED>(x, begin, order, gate, up, y, p, w, acts, pair, from);                                  \
  }
#define OF_BLOCKS(id, type, W)                              \
  PROMPT(experts_prompt_##type, RoundedTile<W>, false)      \
  PROMPT(experts_prompt_gated_##type, RoundedTile<W>, true)
#define PLAIN(id, type, W)                                  \
  PROMPT(experts_prompt_##type, PlainTile<W>, false)        \
  PROMPT(experts_prompt_gated_##type, PlainTile<W>, true)
BLOCK_WEIGHTS(OF_BLOCKS)
PLAIN_WEIGHTS(PLAIN)

// y = r + Σ_u weight_u·z_u + gate·zs: z [N U M], zs [N M]; gate may be null.
struct CombineParams { uint E, U, F, H, M; };

KERNEL(experts_combine, 256, BUF(0, const uint, experts), BUF(1, const float, weights), BUF(2, const float, z),
       BUF(3, const float, zs), BUF(4, const float, gate), BUF(5, const float, r), BUF(6, float, y), PARAMS(7, CombineParams, p)) {
  const uint token = BID_X, m = BID_Y * 256 + TID_X;
  if (m >= p.M) return;
  const ulong64 at = (ulong64)token * p.M + m;
  float sum = zs[at] * (gate ? gate[token] : 1.0f);
  for (uint u = 0; u < p.U; u++) {
    const uint pair = token * p.U + u;
    if (experts[pair] < p.E) sum = k_fma(weights[pair], z[(ulong64)pair * p.M + m], sum);
  }
  y[at] = r[at] + sum;
}
