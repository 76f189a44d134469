// Experts of many tokens: pairs of a token and an expert are sorted by expert, then a
// block multiplies 64 rows of an expert's weights with its tokens, 32 at a time.
#include "tiles.h"

// begin [E+1] and order: the pairs of expert e are order[begin[e]] to
// order[begin[e+1]-1], from the lowest on. Pairs of no expert are not among them. each
// pairs have one row of activations, which is in source. A block finds the pairs of one
// expert, a warp among its part of them.
struct SortParams { uint pairs, E, each; };

DEV uint simd_sum_uint(uint v) {
  UNROLL for (int m = 16; m; m >>= 1) v += simd_shuffle_xor_uint(v, m);
  return v;
}

KERNEL(experts_sort, 256, BUF(0, const uint, experts), BUF(1, uint, begin), BUF(2, uint, order),
       BUF(3, uint, source), PARAMS(4, SortParams, p)) {
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
    if (is) {
      const uint to = at + (uint)__builtin_popcount(all & ((1u << lane) - 1));
      order[to] = i + lane, source[to] = (i + lane) / p.each;
    }
    at += (uint)__builtin_popcount(all);
  }
}

// The tokens of an expert, as places in lists of rows.
struct Listed { uint end; const uint *x, *y; };
DEV uint row_of_x(const Listed &tokens, uint t) { return tokens.x[t]; }
DEV uint row_of_y(const Listed &tokens, uint t) { return tokens.y[t]; }
DEV float finished(const Listed &, uint mode, float v, const float *gate, ulong64 at) { return mode == 2 ? k_silu(gate[at]) * v : v; }

// y [pairs rows] is each pair's row of x times the weights of its expert; mode 2 is
// silu(gate)·product. Block (which of an expert's tiles of tokens, every so many; rows
// of weights; expert).
struct ExpertTileParams { uint k, rows, mode; };

#define TOKENS 32

template <class W>
DEV void expert_blocks(const uchar *x, const uint *begin, const uint *source, const uint *order, const uchar *w, const float *gate,
                       float *y, const ExpertTileParams &p) {
  const uint e = BID_Z, start = begin[e] + TOKENS * BID_X, end = begin[e + 1];
  w += (ulong64)e * p.rows * (p.k / W::ELEMS) * W::BYTES;
  const TileParams tile = {p.k, 0, p.rows, p.mode};
  for (uint first = start; first < end; first += TOKENS * GDIM_X) {
    multiply_tile<W, TOKENS>(Listed{end, source, order}, first, BID_Y * 64, x, w, gate, y, tile, memory);
    BARRIER(); // nobody reads memory any more
  }
}

// Types without blocks, in single precision, 32 elements at a time.
struct PlainTile { float w[64][33], x[TOKENS][33]; };

template <class W>
DEV void expert_plain(const float *x, const uint *begin, const uint *source, const uint *order, const uchar *w, const float *gate,
                      float *y, const ExpertTileParams &p, PlainTile &tile) {
  const uint e = BID_Z, start = begin[e] + TOKENS * BID_X, end = begin[e + 1], lane = LANE, warp = TID_X / 32;
  const uint first_row = BID_Y * 64, row = TID_X % 16, token = TID_X / 16;
  w += ((ulong64)e * p.rows + first_row) * p.k * W::BYTES;
  for (uint first = start; first < end; first += TOKENS * GDIM_X) {
    float sum[4][2] = {};
    for (uint k = lane; k - lane < p.k; k += 32) {
      BARRIER();
      UNROLL for (uint r = warp; r < 64; r += 8)
        tile.w[r][lane] = k < p.k && first_row + r < p.rows ? W::at(w + (ulong64)r * p.k * W::BYTES, k) : 0.0f;
      UNROLL for (uint t = warp; t < TOKENS; t += 8)
        tile.x[t][lane] = k < p.k && first + t < end ? x[(ulong64)source[first + t] * p.k + k] : 0.0f;
      BARRIER();
      for (int i = 0; i < 32; i++)
        UNROLL for (int r = 0; r < 4; r++)
          UNROLL for (int t = 0; t < 2; t++) sum[r][t] = k_fma(tile.w[row + 16 * r][i], tile.x[token + 16 * t][i], sum[r][t]);
    }
    UNROLL for (int t = 0; t < 2; t++)
      UNROLL for (int r = 0; r < 4; r++) {
        const uint pair = first + token + 16 * t, column = first_row + row + 16 * r;
        if (pair >= end || column >= p.rows) continue;
        const ulong64 at = (ulong64)order[pair] * p.rows + column;
        y[at] = finished(Listed{}, p.mode, sum[r][t], gate, at);
      }
  }
}

#define EXPERT_TILES(name)                                                                                               \
  KERNEL(expert_tiles_##name, TWO_BLOCKS, BUF(0, const uchar, x), BUF(1, const uint, begin), BUF(2, const uint, source), \
         BUF(3, const uint, order), BUF(4, const uchar, w), BUF(5, const float, gate), BUF(6, float, y),                 \
         PARAMS(7, ExpertTileParams, p))
#define OF_BLOCKS(id, name, W) EXPERT_TILES(name) { expert_blocks<W>(x, begin, source, order, w, gate, y, p); }
#define OF_ONES(id, name, W)                                                              \
  EXPERT_TILES(name) {                                                                    \
    SHARED PlainTile tile;                                                                \
    expert_plain<W>((const float *)x, begin, source, order, w, gate, y, p, tile);         \
  }
BLOCK_WEIGHTS(OF_BLOCKS)
PLAIN_WEIGHTS(OF_ONES)

// y = r + Σ_u weight_u·z_u + gate·zs: z [N U M], zs [N M]; gate may be null.
struct CombineParams { uint E, U, M; };

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
