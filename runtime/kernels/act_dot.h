// Rows of activations in shared memory, in items that a lane multiplies with as many
// weights: rounded to bytes for block formats, as they are for other types.
//
// An Acts has ELEMS elements an item and BYTES bytes of shared memory for one; of<W> is
// the number of bytes of a row of weights. Acts(memory, n) lays out n items.
// put(at, x, w, K, scale, …) makes items from at on of x·w·scale, K elements, by all
// threads of a block; w may be null. dot(row, i, at) is the product of item i of a row
// of weights with item at.
#pragma once
#include "quant.h"

#define MEMBER __attribute__((device)) __attribute__((always_inline))

DEV float4 load4(const float *x, uint i) { return ((const float4 *)x)[i]; }

template <class W> struct Rounded {
  static const int ELEMS = 32, BYTES = 40;
  uint4 *low, *high;
  float *scale;
  uint *sums;

  DEV ulong64 row_bytes(uint K) { return (ulong64)(K / W::ELEMS) * W::BYTES; }
  MEMBER Rounded(uchar *memory, uint n) {
    low = (uint4 *)memory, high = low + n;
    scale = (float *)(high + n), sums = (uint *)(scale + n);
  }

  // Eight lanes have an item, four elements each. An item that is not finite has a NaN
  // for its scale.
  MEMBER void put(uint at, const float *x, const float *w, uint K, float by, float after, uint tid, uint threads) {
    NO_UNROLL for (uint from = 0; from < K / 4; from += threads) {
      const uint i = from + tid;
      float4 v = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
      if (i < K / 4) {
        v = load4(x, i) * by;
        if (w) v = v * load4(w, i);
      }
      float most = k_max(k_max(k_abs(v.x), k_abs(v.y)), k_max(k_abs(v.z), k_abs(v.w)));
      float bad = (v.x - v.x) + (v.y - v.y) + (v.z - v.z) + (v.w - v.w);
      UNROLL for (int m = 4; m; m >>= 1) {
        most = k_max(most, simd_shuffle_xor(most, m));
        bad += simd_shuffle_xor(bad, m);
      }
      const float r = most > 0.0f ? k_div(127.0f, most) : 0.0f;
      const int a = (int)k_rint(v.x * r), b = (int)k_rint(v.y * r), c = (int)k_rint(v.z * r), d = (int)k_rint(v.w * r);
      uint sum = (uint)(a + b + c + d);
      sum += simd_shuffle_xor_uint(sum, 1);
      sum += simd_shuffle_xor_uint(sum, 2);
      const uint other = simd_shuffle_xor_uint(sum, 4);
      if (i >= K / 4) continue;
      const uint part = i & 7, item = at + i / 8;
      ((uint *)(part < 4 ? low + item : high + item))[part & 3] =
          ((uint)a & 255) | ((uint)b & 255) << 8 | ((uint)c & 255) << 16 | (uint)d << 24;
      if (part == 0) scale[item] = k_fma(most, 1.0f / 127.0f, bad) * after, sums[item] = (sum & 0xffff) | other << 16;
    }
  }

  MEMBER float dot(const uchar *row, uint i, uint at) const {
    Run r;
    W::run(row + (ulong64)(i / (W::ELEMS / 32)) * W::BYTES, i % (W::ELEMS / 32), r);
    const uint4 a = low[at], b = high[at];
    const uint x[8] = {a.x, a.y, a.z, a.w, b.x, b.y, b.z, b.w};
    return scale[at] * run_dot<W>(r, x, sums[at]);
  }
};

// Rows of a multiple of 8 elements.
template <class W> struct Eights {
  static const int ELEMS = 8, BYTES = 32;
  float4 *low, *high;

  DEV ulong64 row_bytes(uint K) { return (ulong64)K * W::BYTES; }
  MEMBER Eights(uchar *memory, uint n) { low = (float4 *)memory, high = low + n; }
  MEMBER void put(uint at, const float *x, const float *w, uint K, float by, float after, uint tid, uint threads) {
    NO_UNROLL for (uint i = tid; i < K / 4; i += threads) {
      float4 v = load4(x, i) * by;
      if (w) v = v * load4(w, i);
      (i & 1 ? high : low)[at + i / 2] = v * after;
    }
  }
  MEMBER float dot(const uchar *row, uint i, uint at) const {
    float w[8];
    W::eight(row, 8 * i, w);
    return dot4(make_float4(w[0], w[1], w[2], w[3]), low[at]) + dot4(make_float4(w[4], w[5], w[6], w[7]), high[at]);
  }
};

template <class W> struct Ones {
  static const int ELEMS = 1, BYTES = 4;
  float *v;

  DEV ulong64 row_bytes(uint K) { return (ulong64)K * W::BYTES; }
  MEMBER Ones(uchar *memory, uint) { v = (float *)memory; }
  MEMBER void put(uint at, const float *x, const float *w, uint K, float by, float after, uint tid, uint threads) {
    NO_UNROLL for (uint i = tid; i < K; i += threads) v[at + i] = x[i] * by * (w ? w[i] : 1.0f) * after;
  }
  MEMBER float dot(const uchar *row, uint i, uint at) const { return W::at(row, i) * v[at]; }
};

// The types with their Acts, as ACTS(name of the kernel's type, Acts).
#define ROUNDED(id, type, W) ACTS(type, Rounded<W>)
#define PLAIN(id, type, W) ACTS(type, Eights<W>) ACTS(type##_any, Ones<W>)
#define ALL_ACTS BLOCK_WEIGHTS(ROUNDED) PLAIN_WEIGHTS(PLAIN)
