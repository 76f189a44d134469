// The gated delta rule, token after token. L lanes of a warp hold a row of the
// state [V K], 16 numbers each, in registers for all tokens of a call, so that it
// is read once and written once. Per token, with the decay a = exp(g):
//
//   S~ = a·S    e = beta·(v - S~k)    o = S~q + e·(k·q)    S' = S~ + e·kᵀ
//
// One sweep over a row gives both dot products. A token's numbers do not depend
// on how many others a call has.
#pragma once
#include "delta.h"

// Loops over memory whose loads are not to wait for each other.
#define UNROLL_4 _Pragma("unroll 4")

struct Row { float4 x[4]; };

// load gives lane its numbers of a row of K <= 16·L, VEC where K is 16·L.
template <uint L, bool VEC, class P>
DEV Row load(P p, uint K, uint lane) {
  Row r;
  UNROLL for (uint i = 0; i < 4; i++) {
    if (VEC) {
      r.x[i] = *(const float4 *)(p + 4 * (lane + L * i));
    } else {
      const uint k = lane + 4 * L * i;
      r.x[i] = make_float4(k < K ? p[k] : 0.0f, k + L < K ? p[k + L] : 0.0f, k + 2 * L < K ? p[k + 2 * L] : 0.0f, k + 3 * L < K ? p[k + 3 * L] : 0.0f);
    }
  }
  return r;
}

template <uint L, bool VEC>
DEV void store(GLOBAL float *p, Row r, uint K, uint lane) {
  UNROLL for (uint i = 0; i < 4; i++) {
    if (VEC) {
      *(GLOBAL float4 *)(p + 4 * (lane + L * i)) = r.x[i];
    } else {
      const uint k = lane + 4 * L * i;
      if (k < K) p[k] = r.x[i].x;
      if (k + L < K) p[k + L] = r.x[i].y;
      if (k + 2 * L < K) p[k + 2 * L] = r.x[i].z;
      if (k + 3 * L < K) p[k + 3 * L] = r.x[i].w;
    }
  }
}

template <uint L>
DEV float dot(Row a, Row b) {
  float s = (dot4(a.x[0], b.x[0]) + dot4(a.x[1], b.x[1])) + (dot4(a.x[2], b.x[2]) + dot4(a.x[3], b.x[3]));
  UNROLL for (uint m = L / 2; m; m >>= 1) s += simd_shuffle_xor(s, m);
  return s;
}

// Tokens are the operands of tile tokens as all rows of a head read them.
struct Tokens {
  float *q;      // [tile K]
  float *k;      // [tile K]
  float *v, *o;  // [tile rows]
  float *decay;  // [tile decays]
  float *beta;   // [tile]
  float *kq;     // [tile]
};

DEV Tokens tokens_in(float *shared, const DeltaParams &p, uint K, uint rows) {
  Tokens s;
  s.q = shared;
  s.k = s.q + p.tile * K;
  s.decay = s.k + p.tile * K;
  s.v = s.decay + p.tile * p.decays;
  s.o = s.v + p.tile * rows;
  s.beta = s.o + p.tile * rows;
  s.kq = s.beta + p.tile;
  return s;
}

// gates computes exp(g) and beta of n tokens, the first of which is token.
DEV void gates(Tokens s, GLOBAL const float *a, GLOBAL const float *dt, GLOBAL const float *A, GLOBAL const float *b,
               const DeltaParams &p, ulong64 token, uint n, uint h, uint tid, uint threads) {
  NO_UNROLL for (uint i = tid; i < n * p.decays; i += threads) {
    const uint t = i / p.decays, c = i - t * p.decays;
    s.decay[i] = k_exp(log_decay(a[((token + t) * p.H + h) * p.decays + c], dt, A, h * p.decays + c, h, p.raw != 0));
  }
  NO_UNROLL for (uint t = tid; t < n; t += threads) s.beta[t] = step_size(b[(token + t) * p.H + h], p.raw != 0);
}

// normalise scales q and k of n tokens as the attributes say, one warp a token.
DEV void normalise(Tokens s, const DeltaParams &p, uint K, uint n, uint warp, uint warps, uint lane) {
  NO_UNROLL for (uint t = warp; t < n; t += warps) {
    float *q = s.q + t * K, *k = s.k + t * K;
    float qq = 0.0f, kk = 0.0f, kq = 0.0f;
    UNROLL_4 for (uint i = lane; i < K; i += 32) {
      qq += q[i] * q[i];
      kk += k[i] * k[i];
      kq += k[i] * q[i];
    }
    const float sq = p.scale * inverse_norm(simd_sum(qq), p.norm, p.eps), sk = inverse_norm(simd_sum(kk), p.norm, p.eps);
    UNROLL_4 for (uint i = lane; i < K; i += 32) {
      q[i] *= sq;
      k[i] *= sk;
    }
    kq = simd_sum(kq);
    if (lane == 0) s.kq[t] = kq * sq * sk;
  }
}

// Rows are the two rows of a state that a group of lanes holds.
struct Rows { Row s[2]; };

template <uint L, bool VEC>
DEV Rows load_state(GLOBAL const float *state, uint row, uint groups, uint end, uint K, uint lane) {
  Rows r;
  UNROLL for (uint i = 0; i < 2; i++) {
    const uint j = row + i * groups;
    if (j < end) {
      r.s[i] = load<L, VEC>(state + (ulong64)j * K, K, lane);
    } else {
      UNROLL for (uint c = 0; c < 4; c++) r.s[i].x[c] = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
    }
  }
  return r;
}

template <uint L, bool VEC>
DEV void store_state(GLOBAL float *state, Rows r, uint row, uint groups, uint end, uint K, uint lane) {
  UNROLL for (uint i = 0; i < 2; i++) {
    const uint j = row + i * groups;
    if (j < end) store<L, VEC>(state + (ulong64)j * K, r.s[i], K, lane);
  }
}

// scan takes the rows through n tokens. Row is the number of the first one among
// those staged, rows of them.
template <uint L, bool VEC>
DEV void scan(Rows &r, Tokens s, const DeltaParams &p, uint K, uint n, uint row, uint groups, uint rows, uint lane) {
  NO_UNROLL for (uint t = 0; t < n; t++) {
    const Row k = load<L, VEC>((const float *)s.k + t * K, K, lane), q = load<L, VEC>((const float *)s.q + t * K, K, lane);
    Row a;
    if (p.decays > 1) {
      a = load<L, VEC>((const float *)s.decay + t * K, K, lane);
    } else {
      const float d = s.decay[t];
      UNROLL for (uint c = 0; c < 4; c++) a.x[c] = make_float4(d, d, d, d);
    }
    const float beta = s.beta[t], kq = s.kq[t];
    UNROLL for (uint i = 0; i < 2; i++) {
      const uint j = row + i * groups;
      UNROLL for (uint c = 0; c < 4; c++) r.s[i].x[c] *= a.x[c];
      const float recalled = dot<L>(r.s[i], k), o = dot<L>(r.s[i], q);
      const float e = beta * ((j < rows ? s.v[t * rows + j] : 0.0f) - recalled);
      UNROLL for (uint c = 0; c < 4; c++) r.s[i].x[c] += e * k.x[c];
      if (lane == 0 && j < rows) s.o[t * rows + j] = o + e * kq;
    }
  }
}
