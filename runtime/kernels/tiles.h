// Products of many tokens with weights in blocks, on the tensor cores for bytes. A block
// of 8 warps makes M tokens · 64 rows of the result; it goes through 4 runs of 32
// elements at a time, and while it multiplies, the next activations are on their way and
// every thread unpacks one run of the next weights.
#include "activations.h"
#include "async.h"
#include "mma.h"
#include "quant.h"

// x is what round_tokens writes. mode 1 adds residual.
struct TileParams { uint k, tokens, rows, mode; };

// Tokens up to end, which rows of x and of y they have, and what becomes of a product v
// of which element at of residual is the partner.
struct Own { uint end; };
DEV uint row_of_x(const Own &, uint t) { return t; }
DEV uint row_of_y(const Own &, uint t) { return t; }
DEV float finished(const Own &, uint mode, float v, const float *residual, ulong64 at) { return mode == 1 ? residual[at] + v : v; }

#define ROW 144 // bytes from one row of 128 bytes to the next: no two of eight share a bank

// One of the two places for 4 runs of both operands, and what lies where.
template <int M> DEV uint place_bytes() { return (M + 64) * ROW + 32 * M + 64 * 4 * 2 * 2 * 4; }
template <int M> DEV uchar *x_of(uchar *p) { return p; }
template <int M> DEV uchar *w_of(uchar *p) { return p + M * ROW; }
template <int M> DEV float *x_scales(uchar *p) { return (float *)(p + (M + 64) * ROW); }     // [token][run]
template <int M> DEV uint *x_sums(uchar *p) { return (uint *)(p + (M + 64) * ROW + 16 * M); } // the same
template <int M> DEV float *w_scales(uchar *p) { return (float *)(p + (M + 64) * ROW + 32 * M); } // [run][half][row]
template <int M> DEV float *w_lows(uchar *p) { return w_scales<M>(p) + 64 * 4 * 2; }           // the same

template <int M, class Tokens>
DEV void begin_x(uchar *to, const uchar *x, const Tokens &tokens, uint first, uint block, const TileParams &p) {
  for (uint i = TID_X; i < M * 10; i += 256) {
    const uint row = i / 10, part = i % 10, t = first + row;
    const bool there = t < tokens.end;
    const Token a = Token::of(x, p.k, there ? row_of_x(tokens, t) : 0);
    if (part < 8) { // half part/4 of run part%4
      const uint half = part / 4, run = part % 4;
      copy_async(shared_at(x_of<M>(to)) + row * ROW + 32 * run + 16 * half, a.p + 16 * (half * a.n + block + run), there ? 16 : 0);
    } else {
      uchar *at = part == 8 ? (uchar *)x_scales<M>(to) : (uchar *)x_sums<M>(to);
      copy_async(shared_at(at) + 16 * row, a.p + (part == 8 ? 32 : 36) * a.n + 4 * block, there ? 16 : 0);
    }
  }
  commit_copies();
}

template <class W> DEV void take_run(Run &r, const uchar *w, uint row, uint block, const TileParams &p) {
  r = {};
  const uint n = p.k / 32, runs = W::ELEMS / 32;
  if (row < p.rows && block < n) W::run(w + ((ulong64)row * (n / runs) + block / runs) * W::BYTES, block % runs, r);
}

template <class W, int M> DEV void put_run(uchar *to, const Run &r, uint row, uint run) {
  uint4 *at = (uint4 *)(w_of<M>(to) + row * ROW + 32 * run);
  at[0] = (uint4){r.q[0], r.q[1], r.q[2], r.q[3]};
  at[1] = (uint4){r.q[4], r.q[5], r.q[6], r.q[7]};
  UNROLL for (int h = 0; h < 32 / W::GROUP; h++) {
    w_scales<M>(to)[(2 * run + h) * 64 + row] = r.scale[h];
    if (W::MINIMA) w_lows<M>(to)[(2 * run + h) * 64 + row] = r.low[h];
  }
}

// The tile of M tokens from first on and 64 rows from first_row on.
template <class W, int M, class Tokens>
DEV void multiply_tile(const Tokens &tokens, uint first, uint first_row, const uchar *x, const uchar *w, const float *residual, float *y,
                       const TileParams &p, uchar *memory) {
  const int WIDE = M / 32, TALL = 8 / WIDE, NF = 64 / TALL / 8; // warps along tokens and rows, and tiles of 8 rows of each
  const uint lane = LANE, warp = TID_X / 32, g = lane / 4, t = lane % 4;
  const uint m0 = warp % WIDE * 32, n0 = warp / WIDE * (8 * NF);
  const uint row = TID_X / 4, run = TID_X % 4, n = p.k / 32;
  const uint room = place_bytes<M>();

  float acc[2][NF][4];
  UNROLL for (int i = 0; i < 2; i++) UNROLL for (int j = 0; j < NF; j++) UNROLL for (int e = 0; e < 4; e++) acc[i][j][e] = 0.0f;
  Run next;
  begin_x<M>(memory, x, tokens, first, 0, p);
  take_run<W>(next, w, first_row + row, run, p);
  put_run<W, M>(memory, next, row, run);
  uchar *here = memory, *other = memory + room;
  for (uint block = 0; block < n; block += 4) {
    wait_copies<0>();
    BARRIER(); // here is complete, and nobody reads other any more
    const bool more = block + 4 < n;
    if (more) {
      begin_x<M>(other, x, tokens, first, block + 4, p);
      take_run<W>(next, w, first_row + row, block + 4 + run, p);
    }
    NO_UNROLL for (uint k = 0; k < 4; k++) {
      uint a[2][4];
      float d[2][2], sum[2][2][2];
      UNROLL for (int i = 0; i < 2; i++) {
        load_a(a[i], x_of<M>(here) + (m0 + 16 * i) * ROW + 32 * k, ROW, lane);
        UNROLL for (int h = 0; h < 2; h++) {
          const uint at = (m0 + 16 * i + 8 * h + g) * 4 + k;
          d[i][h] = x_scales<M>(here)[at];
          if (W::MINIMA) {
            const uint s = x_sums<M>(here)[at];
            sum[i][h][0] = (float)(short)(s & 0xffff), sum[i][h][1] = (float)((int)s >> 16);
            if (W::GROUP == 32) sum[i][h][0] += sum[i][h][1];
          }
        }
      }
      UNROLL for (int j = 0; j < NF; j++) {
        uint b[2];
        load_b(b, w_of<M>(here) + (n0 + 8 * j) * ROW + 32 * k, ROW, lane);
        const uint column = n0 + 8 * j + 2 * t;
        float2 scale[2], low[2];
        UNROLL for (int h = 0; h < 32 / W::GROUP; h++) {
          scale[h] = *(const float2 *)(w_scales<M>(here) + (2 * k + h) * 64 + column);
          if (W::MINIMA) low[h] = *(const float2 *)(w_lows<M>(here) + (2 * k + h) * 64 + column);
        }
        UNROLL for (int i = 0; i < 2; i++) {
          float v[4] = {0.0f, 0.0f, 0.0f, 0.0f};
          UNROLL for (int h = 0; h < 32 / W::GROUP; h++) {
            Ints c = {0, 0, 0, 0};
            if (W::GROUP == 32) mma_bytes(c, a[i], b);
            else mma_half_bytes(c, a[i][2 * h], a[i][2 * h + 1], b[h]);
            v[0] = k_fma(scale[h].x, (float)c.a, v[0]), v[1] = k_fma(scale[h].y, (float)c.b, v[1]);
            v[2] = k_fma(scale[h].x, (float)c.c, v[2]), v[3] = k_fma(scale[h].y, (float)c.d, v[3]);
            if (W::MINIMA) {
              v[0] = k_fma(-low[h].x, sum[i][0][h], v[0]), v[1] = k_fma(-low[h].y, sum[i][0][h], v[1]);
              v[2] = k_fma(-low[h].x, sum[i][1][h], v[2]), v[3] = k_fma(-low[h].y, sum[i][1][h], v[3]);
            }
          }
          UNROLL for (int e = 0; e < 4; e++) acc[i][j][e] = k_fma(d[i][e / 2], v[e], acc[i][j][e]);
        }
      }
    }
    if (more) put_run<W, M>(other, next, row, run);
    uchar *had = here;
    here = other, other = had;
  }
  UNROLL for (int i = 0; i < 2; i++)
    UNROLL for (int j = 0; j < NF; j++)
      UNROLL for (int e = 0; e < 4; e++) {
        const uint token = first + m0 + 16 * i + g + 8 * (e / 2), column = first_row + n0 + 8 * j + 2 * t + e % 2;
        if (token >= tokens.end || column >= p.rows) continue;
        const ulong64 at = (ulong64)row_of_y(tokens, token) * p.rows + column;
        y[at] = finished(tokens, p.mode, acc[i][j][e], residual, at);
      }
}

#define TWO_BLOCKS 256, 2 // threads of a block, and blocks that a multiprocessor has room for
SHARED_DYNAMIC(uchar, memory);

#define TILES(M, NAME, W)                                                                                       \
  KERNEL(tiles_##NAME##_##M, TWO_BLOCKS, BUF(0, const uchar, x), BUF(1, const uchar, w), BUF_ALIASED(2, const float, residual), \
         BUF_ALIASED(3, float, y), PARAMS(4, TileParams, p)) {                                                  \
    multiply_tile<W, M>(Own{p.tokens}, BID_X * M, BID_Y * 64, x, w, residual, y, p, memory);             \
  }
