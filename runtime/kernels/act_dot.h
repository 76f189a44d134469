// Products of an item of weights, as many as a lane takes at a time, with activations
// in shared memory: rounded to bytes beside block formats, as they are beside others.
//
// An Acts has ELEMS elements an item. put writes K activations times factor and norm,
// which may be null, by a block of 256 threads. dot is the product of item i of a row
// of weights with item at of K activations.
#pragma once
#include "activations.h"
#include "quant.h"

template <class W> struct Rounded {
  static const int ELEMS = 32;

  DEV ulong64 row_bytes(uint K) { return (ulong64)(K / W::ELEMS) * W::BYTES; }
  DEV uint bytes(uint K) { return token_bytes(K); }
  DEV void put(uchar *acts, const float *x, const float *norm, float factor, uint K) { round_tokens<1>(x, norm, &factor, K, 1, acts); }
  DEV float dot(const uchar *row, uint i, const uchar *acts, uint K, uint at) {
    Run r;
    W::run(row + (ulong64)(i / (W::ELEMS / 32)) * W::BYTES, i % (W::ELEMS / 32), r);
    const Token t = Token::of(acts, K, 0);
    const uint4 a = token_half(t, at, 0), b = token_half(t, at, 1);
    const uint x[8] = {a.x, a.y, a.z, a.w, b.x, b.y, b.z, b.w};
    return token_scale(t, at) * run_dot<W>(r, x, W::MINIMA ? token_sums(t, at) : 0);
  }
};

// K is a multiple of 8. The first four of each item lie side by side, then the others.
template <class W> struct Eights {
  static const int ELEMS = 8;

  DEV ulong64 row_bytes(uint K) { return (ulong64)K * W::BYTES; }
  DEV uint bytes(uint K) { return 4 * K; }
  DEV void put(uchar *acts, const float *x, const float *norm, float factor, uint K) {
    NO_UNROLL for (uint i = TID_X; i < K / 4; i += 256) {
      float4 v = ((const float4 *)x)[i] * factor;
      if (norm) v = v * ((const float4 *)norm)[i];
      ((float4 *)acts)[(i & 1) * (K / 8) + i / 2] = v;
    }
  }
  DEV float dot(const uchar *row, uint i, const uchar *acts, uint K, uint at) {
    float w[8];
    W::eight(row, 8 * i, w);
    const float4 *x = (const float4 *)acts + at;
    return dot4(make_float4(w[0], w[1], w[2], w[3]), x[0]) + dot4(make_float4(w[4], w[5], w[6], w[7]), x[K / 8]);
  }
};

template <class W> struct Ones {
  static const int ELEMS = 1;

  DEV ulong64 row_bytes(uint K) { return (ulong64)K * W::BYTES; }
  DEV uint bytes(uint K) { return 4 * K; }
  DEV void put(uchar *acts, const float *x, const float *norm, float factor, uint K) {
    for (uint i = TID_X; i < K; i += 256) ((float *)acts)[i] = x[i] * factor * (norm ? norm[i] : 1.0f);
  }
  DEV float dot(const uchar *row, uint i, const uchar *acts, uint, uint at) { return W::at(row, i) * ((const float *)acts)[at]; }
};

// The types with their Acts, as ACTS(name of the kernel's type, Acts).
#define ROUNDED(id, type, W) ACTS(type, Rounded<W>)
#define PLAIN(id, type, W) ACTS(type, Eights<W>) ACTS(type##_any, Ones<W>)
#define ALL_ACTS BLOCK_WEIGHTS(ROUNDED) PLAIN_WEIGHTS(PLAIN)
