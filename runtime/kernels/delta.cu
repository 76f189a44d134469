// The gated delta rule, token after token. L lanes of a warp hold a row of the
// state [V K], 16 numbers each, in registers for all tokens of a call, so that it
// is read once and written once. Per token, with the decay a = exp(g):
//
//   S~ = a·S    e = beta·(v - S~k)    o = S~q + e·(k·q)    S' = S~ + e·kᵀ
//
// One sweep over a row gives both dot products. A token's numbers do not depend
// on how many others a call has.
#include "conv.h"
#include "delta.h"
#include "gated_norm.h"

SHARED_DYNAMIC(float, dynamic);

struct Row { float4 x[4]; };

// load gives lane its numbers of a row of K <= 16·L, VEC where K is 16·L.
template <uint L, bool VEC, class P>
DEV Row load(P p, uint K, uint lane) {
  Row r;
  UNROLL for (uint i = 0; i < 4; i++) {
    if (VEC) {
      r.x[i] = *(const float4*)(p + 4*(lane + L*i));
    } else {
      const uint k = lane + 4*L*i;
      r.x[i] = make_float4(k < K ? p[k] : 0.0f, k + L < K ? p[k + L] : 0.0f, k + 2*L < K ? p[k + 2*L] : 0.0f, k + 3*L < K ? p[k + 3*L] : 0.0f);
    }
  }
  return r;
}

template <uint L, bool VEC>
DEV void store(GLOBAL float *p, Row r, uint K, uint lane) {
  UNROLL for (uint i = 0; i < 4; i++) {
    if (VEC) {
      *(GLOBAL float4*)(p + 4*(lane + L*i)) = r.x[i];
    } else {
      const uint k = lane + 4*L*i;
      if (k < K) p[k] = r.x[i].x;
      if (k + L < K) p[k + L] = r.x[i].y;
      if (k + 2*L < K) p[k + 2*L] = r.x[i].z;
      if (k + 3*L < K) p[k + 3*L] = r.x[i].w;
    }
  }
}

template <uint L>
DEV float dot(Row a, Row b) {
  float s = (dot4(a.x[0], b.x[0]) + dot4(a.x[1], b.x[1])) + (dot4(a.x[2], b.x[2]) + dot4(a.x[3], b.x[3]));
  UNROLL for (uint m = L/2; m; m >>= 1) s += simd_shuffle_xor(s, m);
  return s;
}

// Tokens are the operands of tile tokens as all rows of a head read them.
struct Tokens {
  float *q;      // [tile K]
  float *k;      // [tile K]
  float *v;      // [tile rows], and then o
  float *decay;  // [tile decays]
  float *beta;   // [tile]
  float *kq;     // [tile]
};

DEV Tokens tokens_in(float *shared, const DeltaParams &p, uint rows) {
  Tokens s;
  s.q = shared;
  s.k = s.q + p.tile*p.K;
  s.decay = s.k + p.tile*p.K;
  s.v = s.decay + p.tile*p.decays;
  s.beta = s.v + p.tile*rows;
  s.kq = s.beta + p.tile;
  return s;
}

// gates computes exp(g) and beta of n tokens, the first of which is token.
DEV void gates(Tokens s, GLOBAL const float *a, GLOBAL const float *dt, GLOBAL const float *A, GLOBAL const float *b,
               const DeltaParams &p, ulong64 token, uint n, uint h, uint tid, uint threads) {
  NO_UNROLL for (uint i = tid; i < n*p.decays; i += threads) {
    const uint t = i/p.decays, c = i - t*p.decays;
    s.decay[i] = k_exp(log_decay(a[((token + t)*p.H + h)*p.decays + c], dt, A, h*p.decays + c, h, p.raw != 0));
  }
  NO_UNROLL for (uint t = tid; t < n; t += threads) s.beta[t] = step_size(b[(token + t)*p.H + h], p.raw != 0);
}

// normalise scales q and k of n tokens as the attributes say, one warp a token.
DEV void normalise(Tokens s, const DeltaParams &p, uint n, uint warp, uint warps, uint lane) {
  NO_UNROLL for (uint t = warp; t < n; t += warps) {
    float *q = s.q + t*p.K;
    float *k = s.k + t*p.K;
    float qq = 0.0f, kk = 0.0f, kq = 0.0f;
    NO_UNROLL for (uint i = lane; i < p.K; i += 32) {
      qq += q[i]*q[i];
      kk += k[i]*k[i];
      kq += k[i]*q[i];
    }
    const float sq = p.scale*inverse_norm(simd_sum(qq), p.norm, p.eps), sk = inverse_norm(simd_sum(kk), p.norm, p.eps);
    NO_UNROLL for (uint i = lane; i < p.K; i += 32) {
      q[i] *= sq;
      k[i] *= sk;
    }
    kq = simd_sum(kq);
    if (lane == 0) s.kq[t] = kq*sq*sk;
  }
}

// Rows are the two rows of a state that a group of lanes holds.
struct Rows { Row s[2]; };

template <uint L, bool VEC>
DEV Rows load_state(GLOBAL const float *state, uint row, uint groups, uint end, uint K, uint lane) {
  Rows r;
  UNROLL for (uint i = 0; i < 2; i++) {
    const uint j = row + i*groups;
    if (j < end) {
      r.s[i] = load<L, VEC>(state + (ulong64)j*K, K, lane);
    } else {
      UNROLL for (uint c = 0; c < 4; c++) r.s[i].x[c] = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
    }
  }
  return r;
}

template <uint L, bool VEC>
DEV void store_state(GLOBAL float *state, Rows r, uint row, uint groups, uint end, uint K, uint lane) {
  UNROLL for (uint i = 0; i < 2; i++) {
    const uint j = row + i*groups;
    if (j < end) store<L, VEC>(state + (ulong64)j*K, r.s[i], K, lane);
  }
}

// scan takes the rows through n tokens; o takes the place of v. Row is the
// number of the first one among those staged, rows of them.
template <uint L, bool VEC>
DEV void scan(Rows &r, Tokens s, const DeltaParams &p, uint n, uint row, uint groups, uint rows, uint lane) {
  NO_UNROLL for (uint t = 0; t < n; t++) {
    const Row k = load<L, VEC>((const float*)s.k + t*p.K, p.K, lane), q = load<L, VEC>((const float*)s.q + t*p.K, p.K, lane);
    Row a;
    if (p.decays > 1) {
      a = load<L, VEC>((const float*)s.decay + t*p.K, p.K, lane);
    } else {
      const float d = s.decay[t];
      UNROLL for (uint c = 0; c < 4; c++) a.x[c] = make_float4(d, d, d, d);
    }
    const float beta = s.beta[t], kq = s.kq[t];
    UNROLL for (uint i = 0; i < 2; i++) {
      const uint j = row + i*groups;
      UNROLL for (uint c = 0; c < 4; c++) r.s[i].x[c] *= a.x[c];
      const float recalled = dot<L>(r.s[i], k), o = dot<L>(r.s[i], q);
      const float e = beta*((j < rows ? s.v[t*rows + j] : 0.0f) - recalled);
      UNROLL for (uint c = 0; c < 4; c++) r.s[i].x[c] += e*k.x[c];
      if (lane == 0 && j < rows) s.v[t*rows + j] = o + e*kq;
    }
  }
}

// delta_scan: q, k [B T Hk K] and v [B T H V] with strides, a or g [B T H 1|K],
// b or beta [B T H 1], slots [B] or null, state [P H V K]; o [B T H V]. A block
// has some rows of a head.
template <uint L, bool VEC>
DEV void delta_scan(float *shared, GLOBAL const float *q, GLOBAL const float *k, GLOBAL const float *v, GLOBAL const float *a,
                    GLOBAL const float *dt, GLOBAL const float *A, GLOBAL const float *b, GLOBAL const int *slots,
                    GLOBAL float *state, GLOBAL float *o, const DeltaParams &p, uint part, uint h, uint seq, uint tid) {
  const uint threads = 128, groups = threads/L, first = part*2*groups, hk = key_head(h, p.Hk, p.H, p.tiled);
  const uint rows = p.V - first < 2*groups ? p.V - first : 2*groups;
  const uint slot = slots ? (uint)slots[seq] : seq;
  if (slot >= p.P) return;
  GLOBAL float *S = state + (((ulong64)slot*p.H + h)*p.V + first)*p.K;
  Rows r = load_state<L, VEC>(S, tid/L, groups, rows, p.K, tid%L);
  const Tokens s = tokens_in(shared, p, 2*groups);
  NO_UNROLL for (uint t0 = 0; t0 < p.T; t0 += p.tile) {
    const uint n = p.T - t0 < p.tile ? p.T - t0 : p.tile;
    const ulong64 token = (ulong64)seq*p.T + t0;
    if (t0) BARRIER();
    NO_UNROLL for (uint t = 0; t < n; t++) {
      NO_UNROLL for (uint i = tid; i < p.K; i += threads) {
        s.q[t*p.K + i] = q[(token + t)*p.qk + hk*p.K + i];
        s.k[t*p.K + i] = k[(token + t)*p.qk + hk*p.K + i];
      }
      NO_UNROLL for (uint i = tid; i < rows; i += threads) s.v[t*rows + i] = v[(token + t)*p.v + h*p.V + first + i];
    }
    gates(s, a, dt, A, b, p, token, n, h, tid, threads);
    BARRIER();
    normalise(s, p, n, tid/32, threads/32, tid%32);
    BARRIER();
    scan<L, VEC>(r, s, p, n, tid/L, groups, rows, tid%L);
    BARRIER();
    NO_UNROLL for (uint t = 0; t < n; t++)
      NO_UNROLL for (uint i = tid; i < rows; i += threads) o[((token + t)*p.H + h)*p.V + first + i] = s.v[t*rows + i];
  }
  store_state<L, VEC>(S, r, tid/L, groups, rows, p.K, tid%L);
}

#define DELTA_SCAN(NAME, L, VEC) \
KERNEL(NAME, 128, BUF(0,const float,q), BUF(1,const float,k), BUF(2,const float,v), BUF(3,const float,a), BUF(4,const float,dt), \
       BUF(5,const float,A), BUF(6,const float,b), BUF(7,const int,slots), BUF(8,float,state), BUF(9,float,o), PARAMS(10,DeltaParams,p)) \
{ delta_scan<L, VEC>(dynamic, q, k, v, a, dt, A, b, slots, state, o, p, BID_X, BID_Y, BID_Z, TID_X); }

DELTA_SCAN(delta_scan_16, 1, true)
DELTA_SCAN(delta_scan_32, 2, true)
DELTA_SCAN(delta_scan_64, 4, true)
DELTA_SCAN(delta_scan_128, 8, true)
DELTA_SCAN(delta_scan_256, 16, true)
DELTA_SCAN(delta_scan_any, 32, false)

// delta_block: conv [P 3 C], state [P H V K], slots [B], x [B T C] with q, k and
// v side by side, conv weight [C 4], a [B T H 1|K], b [B T H 1], norm [V],
// z, y [B T H V], T <= tile. A block has a head, all of it: 2·groups >= V. Heads
// that share a key head filter the same channels, so none of them may write their
// state, which conv_next does.
template <uint L>
DEV void delta_block(float *shared, GLOBAL float *conv, GLOBAL float *state, GLOBAL const int *slots, GLOBAL const float *x,
                     GLOBAL const float *w, GLOBAL const float *a, GLOBAL const float *dt, GLOBAL const float *A,
                     GLOBAL const float *b, GLOBAL const float *norm, GLOBAL const float *z, GLOBAL float *y,
                     const DeltaParams &p, uint h, uint seq, uint tid, uint threads) {
  const uint groups = threads/L, hk = key_head(h, p.Hk, p.H, p.tiled), slot = (uint)slots[seq];
  if (slot >= p.P) return;
  GLOBAL float *S = state + ((ulong64)slot*p.H + h)*p.V*p.K;
  Rows r = load_state<L, true>(S, tid/L, groups, p.V, p.K, tid%L);
  const Tokens s = tokens_in(shared, p, p.V);
  const ulong64 token = (ulong64)seq*p.T;
  NO_UNROLL for (uint i = tid; i < 2*p.K + p.V; i += threads) {
    float *to = i < p.K ? s.q + i : i < 2*p.K ? s.k + i - p.K : s.v + i - 2*p.K;
    const uint step = i < 2*p.K ? p.K : p.V;
    const uint c = i < p.K ? hk*p.K + i : i < 2*p.K ? (p.Hk + hk)*p.K + i - p.K : 2*p.Hk*p.K + h*p.V + i - 2*p.K;
    GLOBAL const float *in = x + token*p.C + c;
    GLOBAL float *st = conv + (ulong64)slot*3*p.C + c;
    const float4 tap = ((GLOBAL const float4 *)w)[c];
    float x0 = st[0], x1 = st[p.C], x2 = st[2*p.C];
    NO_UNROLL for (uint t = 0; t < p.T; t++) {
      const float x3 = in[(ulong64)t*p.C];
      to[t*step] = k_silu(x0*tap.x + x1*tap.y + x2*tap.z + x3*tap.w);
      x0 = x1;
      x1 = x2;
      x2 = x3;
    }
    if (i >= 2*p.K || p.H == p.Hk) {
      st[0] = x0;
      st[p.C] = x1;
      st[2*p.C] = x2;
    }
  }
  gates(s, a, dt, A, b, p, token, p.T, h, tid, threads);
  BARRIER();
  normalise(s, p, p.T, tid/32, threads/32, tid%32);
  BARRIER();
  scan<L, true>(r, s, p, p.T, tid/L, groups, p.V, tid%L);
  store_state<L, true>(S, r, tid/L, groups, p.V, p.K, tid%L);
  BARRIER();
  NO_UNROLL for (uint t = tid/32; t < p.T; t += threads/32) {
    const ulong64 at = ((token + t)*p.H + h)*p.V;
    gated_row((const float *)s.v + t*p.V, norm, z + at, y + at, p.V, p.normEps, p.sigmoid != 0, tid%32);
  }
}

#define DELTA_BLOCK(NAME, L) \
KERNEL(NAME, 512, BUF(0,float,conv), BUF(1,float,state), BUF(2,const int,slots), BUF(3,const float,x), BUF(4,const float,w), \
       BUF(5,const float,a), BUF(6,const float,dt), BUF(7,const float,A), BUF(8,const float,b), BUF(9,const float,norm), \
       BUF(10,const float,z), BUF(11,float,y), PARAMS(12,DeltaParams,p)) \
{ delta_block<L>(dynamic, conv, state, slots, x, w, a, dt, A, b, norm, z, y, p, BID_X, BID_Y, TID_X, BDIM_X); }

DELTA_BLOCK(delta_block_16, 1)
DELTA_BLOCK(delta_block_32, 2)
DELTA_BLOCK(delta_block_64, 4)
DELTA_BLOCK(delta_block_128, 8)
