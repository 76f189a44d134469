// Products of a few tokens with a matrix for each head. Its rows are short, so some lanes
// share one, and a warp has several.
#include "activations.h"
#include "quant.h"

// x has its matrices, tokens and elements as far apart as the steps say, w [.. rows k]
// and y [.. tokens rows] are dense. Matrix BID_Z of y comes of the one that steps lead to in x,
// and of the one that they count to in w. A block takes 8 tokens and 256/lanes rows.
#define AT_ONCE 8
struct HeadsParams { uint k, tokens, rows, lanes, axes, dims[4], sx[4], sw[4], token, element; };

struct Heads {
  const float *x; // of the first token
  uint w, here;   // matrix, tokens
  ulong64 y;
  uint row, lane;
};

DEV Heads heads(const float *x, const HeadsParams &p) {
  Heads h = {x, 0, p.tokens - BID_Y * AT_ONCE < AT_ONCE ? p.tokens - BID_Y * AT_ONCE : AT_ONCE, 0, 0, 0};
  uint rest = BID_Z, from = BID_Y * AT_ONCE * p.token;
  UNROLL for (int axis = 3; axis >= 0; axis--)
    if (axis < p.axes) {
      const uint i = rest % p.dims[axis];
      rest /= p.dims[axis];
      from += i * p.sx[axis], h.w += i * p.sw[axis];
    }
  h.x += from;
  h.y = (ulong64)BID_Z * p.tokens + BID_Y * AT_ONCE;
  h.row = BID_X * (256 / p.lanes) + TID_X / p.lanes, h.lane = TID_X % p.lanes;
  return h;
}

// Adds up what the lanes of a row have, and stores it.
DEV void store(const Heads &h, float *acc, float *y, const HeadsParams &p) {
  UNROLL for (uint t = 0; t < AT_ONCE; t++) {
    if (t >= h.here) break;
    for (uint m = p.lanes / 2; m; m >>= 1) acc[t] += simd_shuffle_xor(acc[t], m);
    if (h.lane == 0 && h.row < p.rows) y[(h.y + t) * p.rows + h.row] = acc[t];
  }
}

SHARED_DYNAMIC(uchar, memory);

template <class W> DEV void heads_of_blocks(const float *x, const uchar *w, float *y, const HeadsParams &p) {
  const Heads h = heads(x, p);
  const uint n = p.k / 32, padded = padded_blocks(p.k), e = LANE & 7;
  for (uint i = TID_X / 8; i - TID_X / 8 < h.here * padded; i += 32) { // all lanes come along
    const uint t = i / padded, block = t < h.here ? i % padded : padded;
    float v[4] = {0.0f, 0.0f, 0.0f, 0.0f};
    if (block < n) {
      const float *from = h.x + (ulong64)t * p.token + (ulong64)(32 * block + 4 * e) * p.element;
      UNROLL for (int j = 0; j < 4; j++) v[j] = from[j * p.element];
    }
    round_block(make_float4(v[0], v[1], v[2], v[3]), memory + t * token_bytes(p.k), block, padded, e);
  }
  BARRIER();
  float acc[AT_ONCE] = {};
  const uint runs = W::ELEMS / 32;
  const uchar *row = w + ((ulong64)h.w * p.rows + h.row) * (n / runs) * W::BYTES;
  for (uint i = h.lane; i < n && h.row < p.rows; i += p.lanes) {
    Run r;
    W::run(row + (ulong64)(i / runs) * W::BYTES, i % runs, r);
    UNROLL for (uint t = 0; t < AT_ONCE; t++) {
      if (t >= h.here) break;
      const Token a = Token::of(memory, p.k, t);
      const uint4 lo = token_half(a, i, 0), hi = token_half(a, i, 1);
      const uint q[8] = {lo.x, lo.y, lo.z, lo.w, hi.x, hi.y, hi.z, hi.w};
      acc[t] = k_fma(token_scale(a, i), run_dot<W>(r, q, W::MINIMA ? token_sums(a, i) : 0), acc[t]);
    }
  }
  store(h, acc, y, p);
}

template <class W> DEV void heads_of_numbers(const float *x, const uchar *w, float *y, const HeadsParams &p) {
  const Heads h = heads(x, p);
  float *acts = (float *)memory;
  for (uint i = TID_X; i < h.here * p.k; i += 256) acts[i] = h.x[(ulong64)(i / p.k) * p.token + (ulong64)(i % p.k) * p.element];
  BARRIER();
  float acc[AT_ONCE] = {};
  const uchar *row = w + ((ulong64)h.w * p.rows + h.row) * p.k * W::BYTES;
  const uint each = p.k % 8 == 0 ? 8 : 1;
  for (uint i = each * h.lane; i < p.k && h.row < p.rows; i += each * p.lanes) {
    float v[8];
    if (each == 8) W::eight(row, i, v);
    else v[0] = W::at(row, i);
    UNROLL for (uint t = 0; t < AT_ONCE; t++) {
      if (t >= h.here) break;
      UNROLL for (uint j = 0; j < 8; j++)
        if (j < each) acc[t] = k_fma(v[j], acts[t * p.k + i + j], acc[t]);
    }
  }
  store(h, acc, y, p);
}

#define HEADS(NAME, HOW, W) \
  KERNEL(heads_##NAME, 256, BUF(0, const float, x), BUF(1, const uchar, w), BUF(2, float, y), PARAMS(3, HeadsParams, p)) { HOW<W>(x, w, y, p); }
#define OF_BLOCKS(ID, NAME, W) HEADS(NAME, heads_of_blocks, W)
#define OF_NUMBERS(ID, NAME, W) HEADS(NAME, heads_of_numbers, W)
BLOCK_WEIGHTS(OF_BLOCKS)
PLAIN_WEIGHTS(OF_NUMBERS)
