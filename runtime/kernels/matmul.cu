// Products of many tokens with types without blocks, of matrices of any batch, and what
// products begin and end with.
#include "activations.h"
#include "mma.h"
#include "quant.h"

struct RoundParams { uint k, tokens; float eps; };

// A block a token.
KERNEL(round_activations, 256, BUF(0, const float, x), BUF(1, const float, norm), BUF(2, uchar, y), PARAMS(3, RoundParams, p)) {
  SHARED float part[8];
  float factor[1];
  const uint here = BID_X < p.tokens;
  const float *token = x + (here ? (ulong64)BID_X * p.k : 0);
  norm_factors<1>(token, norm, p.eps, p.k, here, part, factor);
  round_tokens<1>(token, norm, factor, p.k, here, y + (ulong64)BID_X * token_bytes(p.k));
}
KERNEL(norm_activations, 256, BUF(0, const float, x), BUF(1, const float, norm), BUF(2, float, y), PARAMS(3, RoundParams, p)) {
  SHARED float part[8];
  float factor[1];
  const ulong64 at = (ulong64)BID_X * p.k;
  norm_factors<1>(x + at, norm, p.eps, p.k, 1, part, factor);
  for (uint k = TID_X; k < p.k; k += 256) y[at + k] = x[at + k] * factor[0] * norm[k];
}

struct SiluParams { uint n; };

KERNEL(silu_mul_f32, 256, BUF(0, const float, gate), BUF(1, const float, up), BUF(2, float, y), PARAMS(3, SiluParams, p)) {
  const uint i = BID_X * 256 + TID_X;
  if (i < p.n) y[i] = k_silu(gate[i]) * up[i];
}

// x [... tokens k], w [... rows k]: matrix BID_Z of the result comes of those that the
// steps, in matrices, lead to. mode 1 adds residual.
struct BatchParams { uint k, tokens, rows, mode, axes; uint dims[4], sx[4], sw[4]; };

#define LINE 80 // bytes from one row of 32 bf16 to the next: no two of eight share a bank

// Eight numbers as bf16, and what that leaves of them: together they have 16 bits of
// each, which is more than any limit asks for.
DEV void split_eight(const float *v, uchar *high, uchar *low) {
  uint h[4], l[4];
  UNROLL for (int i = 0; i < 4; i++) {
    const uint a = f32_to_bf16(v[2 * i]), b = f32_to_bf16(v[2 * i + 1]);
    h[i] = a | b << 16;
    l[i] = f32_to_bf16(v[2 * i] - bf16_to_f32((ushort)a)) | (uint)f32_to_bf16(v[2 * i + 1] - bf16_to_f32((ushort)b)) << 16;
  }
  *(uint4 *)high = (uint4){h[0], h[1], h[2], h[3]};
  *(uint4 *)low = (uint4){l[0], l[1], l[2], l[3]};
}

// Elements k to k+7 of a row of K; zeros behind its end and where there is no row.
template <class W> DEV void take_eight(float *v, const uchar *x, ulong64 row, bool there, uint k, uint K) {
  if (there && K % 8 == 0 && k < K) {
    W::eight(x + row * K * W::BYTES, k, v);
    return;
  }
  UNROLL for (int i = 0; i < 8; i++) v[i] = there && k + i < K ? W::at(x + row * K * W::BYTES, k + i) : 0.0f;
}

// A block of 8 warps makes 64·64 elements, each warp 16 tokens of 32 rows.
template <class W, bool EXACT>
DEV void multiply_batch(const uchar *x, const uchar *w, const float *residual, float *y, const BatchParams &p, uchar *memory) {
  uchar *const x_high = memory, *const x_low = memory + 64 * LINE, *const w_high = memory + 128 * LINE, *const w_low = memory + 192 * LINE;
  const uint lane = LANE, warp = TID_X / 32, g = lane / 4, t = lane % 4, first = BID_X * 64, first_row = BID_Y * 64;
  const uint m0 = warp % 4 * 16, n0 = warp / 4 * 32, row = TID_X / 4, k0 = TID_X % 4 * 8;
  uint rest = BID_Z, ix = 0, iw = 0;
  UNROLL for (int axis = 3; axis >= 0; axis--)
    if (axis < p.axes) {
      const uint i = rest % p.dims[axis];
      rest /= p.dims[axis];
      ix += i * p.sx[axis], iw += i * p.sw[axis];
    }
  const bool x_there = first + row < p.tokens, w_there = first_row + row < p.rows;
  const ulong64 x_row = (ulong64)ix * p.tokens + first + row, w_row = (ulong64)iw * p.rows + first_row + row;

  float acc[4][4], vx[8], vw[8];
  UNROLL for (int j = 0; j < 4; j++) UNROLL for (int e = 0; e < 4; e++) acc[j][e] = 0.0f;
  take_eight<WeightF32>(vx, x, x_row, x_there, k0, p.k);
  take_eight<W>(vw, w, w_row, w_there, k0, p.k);
  for (uint k = 0; k < p.k; k += 32) {
    BARRIER();
    split_eight(vx, x_high + row * LINE + 2 * k0, x_low + row * LINE + 2 * k0);
    split_eight(vw, w_high + row * LINE + 2 * k0, w_low + row * LINE + 2 * k0);
    BARRIER();
    take_eight<WeightF32>(vx, x, x_row, x_there, k + 32 + k0, p.k); // for the next time
    take_eight<W>(vw, w, w_row, w_there, k + 32 + k0, p.k);
    UNROLL for (int h = 0; h < 2; h++) {
      uint a[4], rest_a[4];
      load_a(a, x_high + m0 * LINE + 32 * h, LINE, lane);
      load_a(rest_a, x_low + m0 * LINE + 32 * h, LINE, lane);
      UNROLL for (int j = 0; j < 4; j++) {
        uint b[2];
        load_b(b, w_high + (n0 + 8 * j) * LINE + 32 * h, LINE, lane);
        mma_bf16(acc[j], a, b);
        mma_bf16(acc[j], rest_a, b);
        if (!EXACT) {
          load_b(b, w_low + (n0 + 8 * j) * LINE + 32 * h, LINE, lane);
          mma_bf16(acc[j], a, b);
        }
      }
    }
  }
  UNROLL for (int j = 0; j < 4; j++)
    UNROLL for (int e = 0; e < 4; e++) {
      const uint token = first + m0 + g + 8 * (e / 2), column = first_row + n0 + 8 * j + 2 * t + e % 2;
      if (token >= p.tokens || column >= p.rows) continue;
      const ulong64 at = ((ulong64)BID_Z * p.tokens + token) * p.rows + column;
      y[at] = p.mode == 1 ? residual[at] + acc[j][e] : acc[j][e];
    }
}

#define MATMUL(NAME, W, EXACT)                                                                                   \
  KERNEL(matmul_##NAME, 256, BUF(0, const uchar, x), BUF(1, const uchar, w), BUF_ALIASED(2, const float, residual), \
         BUF_ALIASED(3, float, y), PARAMS(4, BatchParams, p)) {                                                  \
    SHARED __attribute__((aligned(16))) uchar memory[256 * LINE];                                                \
    multiply_batch<W, EXACT>(x, w, residual, y, p, memory);                                                      \
  }
MATMUL(f32, WeightF32, false)
MATMUL(f16, WeightF16, false)
MATMUL(bf16, WeightBF16, true)
