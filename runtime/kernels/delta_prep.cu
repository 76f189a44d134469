#include "delta_chunk.h"

SHARED_DYNAMIC(ushort, dynamic);

constexpr uint preps = 256; // threads
constexpr float log2_e = 1.4426950408889634f;
constexpr uint side = 68;   // numbers from row to row of a square matrix

// invert makes X [64 64] the inverse of I + A, A being below the diagonal, by
// forward substitution: 16 rows at a time, first what the rows above them take
// away, then, a column a thread, what they take from each other.
DEV void invert(const float *A, float *X, uint tid) {
  NO_UNROLL for (uint first = 0; first < chunk; first += 16) {
    const uint i = first + tid / 16, c = tid % 16 * 4;
    float4 y = make_float4(i == c, i == c + 1, i == c + 2, i == c + 3);
    NO_UNROLL for (uint l = 0; l < first; l += 4) {
      const float4 a = *(const float4 *)(A + i * side + l);
      const float *x = X + l * side + c;
      y -= a.x * *(const float4 *)x + a.y * *(const float4 *)(x + side);
      y -= a.z * *(const float4 *)(x + 2 * side) + a.w * *(const float4 *)(x + 3 * side);
    }
    *(float4 *)(X + i * side + c) = y;
    BARRIER();
    if (tid < chunk) {
      float x[16];
      UNROLL for (uint r = 0; r < 16; r++) x[r] = X[(first + r) * side + tid];
      UNROLL for (uint r = 1; r < 16; r++) {
        UNROLL for (uint s = 0; s < r; s += 4) { // A is zero from the diagonal on
          const float4 a = *(const float4 *)(A + (first + r) * side + first + s);
          x[r] -= a.x * x[s] + a.y * (s + 1 < r ? x[s + 1] : 0.0f);
          if (s + 2 < r) x[r] -= a.z * x[s + 2] + a.w * (s + 3 < r ? x[s + 3] : 0.0f);
        }
        X[(first + r) * side + tid] = x[r];
      }
    }
    BARRIER();
  }
}

// store_inverse writes X diag(beta) as a tile, store_square X.
DEV void store_inverse(GLOBAL ushort *to, const float *X, const float *beta, uint tid) {
  NO_UNROLL for (uint i = 2 * tid; i < chunk * chunk; i += 2 * preps) {
    const uint r = i / chunk, c = i % chunk;
    if (in_blocks(r, c)) store_split(to + i, chunk * chunk, X[r * side + c] * beta[c], X[r * side + c + 1] * beta[c + 1]);
  }
}
DEV void store_square(GLOBAL ushort *to, const float *X, uint tid) {
  NO_UNROLL for (uint i = 2 * tid; i < chunk * chunk; i += 2 * preps) {
    const uint r = i / chunk, c = i % chunk;
    if (in_blocks(r, c)) store_split(to + i, chunk * chunk, X[r * side + c], X[r * side + c + 1]);
  }
}

// Vec is the numbers of a row of K that a lane of a warp has.
template <uint K> struct Vec { float x[K / 32]; };

// unit_row reads row p of q or k and scales it as the attributes say.
template <uint K>
DEV Vec<K> unit_row(GLOBAL const float *p, bool there, float scale, const DeltaParams &d, uint lane) {
  Vec<K> v;
  float sum = 0.0f;
  UNROLL for (uint i = 0; i < K / 32; i += 2) {
    const float2 x = there ? *(GLOBAL const float2 *)(p + i / 2 * 64 + 2 * lane) : make_float2(0.0f, 0.0f);
    v.x[i] = x.x;
    v.x[i + 1] = x.y;
    sum += x.x * x.x + x.y * x.y;
  }
  scale *= inverse_norm(simd_sum(sum), d.norm, d.eps);
  UNROLL for (uint i = 0; i < K / 32; i++) v.x[i] = there ? v.x[i] * scale : 0.0f;
  return v;
}

// delta_prep for one decay a head, for all value heads of key head hk. scratch:
// tiles of q and k by key head, of T and M by head, all by chunk; factors by chunk.
template <uint K>
DEV void prep_heads(ushort *shared, GLOBAL const float *q, GLOBAL const float *k, GLOBAL const float *a, GLOBAL const float *dt,
                    GLOBAL const float *A, GLOBAL const float *b, GLOBAL ushort *qs, GLOBAL ushort *ks, GLOBAL ushort *ts,
                    GLOBAL ushort *ms, GLOBAL float *fs, const DeltaParams &p, uint c, uint hk, uint seq, uint tid) {
  const uint lane = tid % 32, warp = tid / 32, chunks = (p.T + chunk - 1) / chunk;
  const uint n = p.T - c * chunk < chunk ? p.T - c * chunk : chunk;
  const ulong64 token = (ulong64)seq * p.T + c * chunk, key = (((ulong64)seq * p.Hk + hk) * chunks + c) * Prep<K>::keys;
  ushort *kt = shared, *qt = kt + Tile<K>::size / 2;
  float *G = (float *)(qt + Tile<K>::size / 2), *beta = G + chunk; // G in powers of 2

  _Pragma("unroll 4") for (uint i = 0; i < chunk; i += preps / 32) {
    const uint r = i + warp;
    const ulong64 row = (token + r) * p.qk + hk * K;
    const Vec<K> x = unit_row<K>(k + row, r < n, 1.0f, p, lane), y = unit_row<K>(q + row, r < n, p.scale, p, lane);
    UNROLL for (uint j = 0; j < K / 32; j += 2) {
      const uint col = j / 2 * 64 + 2 * lane;
      store_split(kt + r * (Tile<K>::stride / 2) + col, Tile<K>::low / 2, x.x[j], x.x[j + 1]);
      store_split(qt + r * (Tile<K>::stride / 2) + col, Tile<K>::low / 2, y.x[j], y.x[j + 1]);
      store_split(ks + key + r * K + col, chunk * K, x.x[j], x.x[j + 1]);
      store_split(qs + key + r * K + col, chunk * K, y.x[j], y.x[j + 1]);
    }
  }
  BARRIER();

  // Four warps have K Kᵀ, four Q Kᵀ, each 16 rows of it up to the diagonal.
  const uint row = warp % 4 * 16, tile = shared_at(kt), keys = lane_of_transposed<K>(tile, lane);
  const uint rows = lane_of<K>((warp < 4 ? tile : shared_at(qt)) + Tile<K>::at(row, 0), lane);
  Acc g[8];
  UNROLL for (uint i = 0; i < 8; i++) g[i] = Acc{};
  NO_UNROLL for (uint i = 0; i < K; i += 16) {
    const Left x = left<K>(rows + 2 * i, 0, 0);
    UNROLL for (uint j = 0; j < 4; j++)
      if (16 * j <= row) multiply(g + 2 * j, x, right_transposed<K>(keys + 2 * i, 16 * j, 0));
  }

  const uint shares = p.H / p.Hk;
  float *square = (float *)shared, *X = square + chunk * side; // where the tiles were
  NO_UNROLL for (uint i = 0; i < shares; i++) {
    const uint h = p.tiled ? hk + i * p.Hk : hk * shares + i;
    const ulong64 at = ((ulong64)seq * p.H + h) * chunks + c;
    BARRIER();
    if (tid < chunk) {
      const ulong64 t = (token + tid) * p.H + h;
      G[tid] = tid < n ? log2_e * log_decay(a[t], dt, A, h, h, p.raw != 0) : 0.0f;
      beta[tid] = tid < n ? step_size(b[t], p.raw != 0) : 0.0f;
    }
    BARRIER();
    if (warp == 0) { // a lane has two tokens
      const float x = G[2 * lane];
      float sum = x + G[2 * lane + 1];
      UNROLL for (uint m = 1; m < 32; m <<= 1) {
        const float up = simd_shuffle_up(sum, m);
        if (lane >= m) sum += up;
      }
      const float before = simd_shuffle_up(sum, 1);
      G[2 * lane] = lane ? before + x : x;
      G[2 * lane + 1] = sum;
    }
    BARRIER();
    if (tid < chunk) {
      fs[at * factors + tid] = k_exp2_fast(G[tid]);
      fs[at * factors + chunk + tid] = k_exp2_fast(G[chunk - 1] - G[tid]);
    }
    uint l = lane; // unknown, so that what follows from it takes no registers from head to head
    asm volatile("" : "+r"(l));
    UNROLL for (uint j = 0; j < 8; j++) {
      UNROLL for (uint e = 0; e < 4; e += 2) {
        const uint r = row + l / 4 + 4 * e, s = 8 * j + l % 4 * 2;
        const float x = s <= r ? g[j].x[e] * k_exp2_fast(G[r] - G[s]) : 0.0f;
        const float y = s < r ? g[j].x[e + 1] * k_exp2_fast(G[r] - G[s + 1]) : 0.0f;
        if (warp < 4) {
          square[r * side + s] = s < r ? beta[r] * x : 0.0f;
          square[r * side + s + 1] = s + 1 < r ? beta[r] * y : 0.0f;
        } else if (in_blocks(r, s)) {
          store_split(ms + at * Prep<K>::square + r * chunk + s, chunk * chunk, x, y);
        }
      }
    }
    BARRIER();
    invert(square, X, tid);
    store_inverse(ts + at * Prep<K>::square, X, beta, tid);
  }
}

// Channels is the keys, queries and sums of log decays, in powers of 2, of a chunk
// whose channels have decays of their own.
template <uint K> struct Channels {
  static constexpr uint stride = K + 4; // numbers from row to row
  float *k, *q, *G;
};

// left_decayed is the left operand at a row of x and a column: x_i exp(G_i - G_anchor).
template <uint K>
DEV Left left_decayed(const Channels<K> &s, const float *x, uint row, uint col, uint anchor, uint lane) {
  Left a;
  UNROLL for (uint i = 0; i < 4; i++) {
    const uint c = col + i / 2 * 8 + lane % 4 * 2, at = (row + lane / 4 + i % 2 * 8) * s.stride + c;
    const float2 e = *(const float2 *)(s.G + at) - *(const float2 *)(s.G + anchor * s.stride + c);
    const Pair y = split(x[at] * k_exp2_fast(e.x), x[at + 1] * k_exp2_fast(e.y));
    a.hi[i] = y.hi;
    a.lo[i] = y.lo;
  }
  return a;
}

// keys_decayed is the right operand whose columns are rows of k: k_j exp(G_anchor - G_j).
template <uint K>
DEV Right keys_decayed(const Channels<K> &s, uint row, uint col, uint anchor, uint lane) {
  Right b;
  UNROLL for (uint i = 0; i < 4; i++) {
    const uint c = col + i % 2 * 8 + lane % 4 * 2, at = (row + lane / 4 + i / 2 * 8) * s.stride + c;
    const float2 e = *(const float2 *)(s.G + anchor * s.stride + c) - *(const float2 *)(s.G + at);
    const Pair y = split(s.k[at] * k_exp2_fast(e.x), s.k[at + 1] * k_exp2_fast(e.y));
    b.hi[i] = y.hi;
    b.lo[i] = y.lo;
  }
  return b;
}

// delta_prep for a decay a channel. scratch: tiles of exp(G) q, exp(G) k,
// exp(G_63 - G) k, T and M by head and chunk; factors by chunk. No exponent is
// positive: in a block of 16 rows on the diagonal it is that of a pair of tokens;
// the rows below are decayed from the first row of theirs on, those before up to it.
template <uint K>
DEV void prep_channels(ushort *shared, GLOBAL const float *q, GLOBAL const float *k, GLOBAL const float *a, GLOBAL const float *dt,
                       GLOBAL const float *A, GLOBAL const float *b, GLOBAL ushort *qs, GLOBAL ushort *ks, GLOBAL ushort *us,
                       GLOBAL ushort *ts, GLOBAL ushort *ms, GLOBAL float *fs, const DeltaParams &p, uint c, uint h, uint seq, uint tid) {
  constexpr uint stride = Channels<K>::stride;
  const uint lane = tid % 32, warp = tid / 32, chunks = (p.T + chunk - 1) / chunk, hk = key_head(h, p.Hk, p.H, p.tiled);
  const uint n = p.T - c * chunk < chunk ? p.T - c * chunk : chunk;
  const ulong64 token = (ulong64)seq * p.T + c * chunk, at = ((ulong64)seq * p.H + h) * chunks + c;
  Channels<K> s;
  s.k = (float *)shared;
  s.q = s.k + chunk * stride;
  s.G = s.q + chunk * stride;
  float *square = s.G + chunk * stride, *M = square + chunk * side, *beta = M + chunk * side;

  _Pragma("unroll 4") for (uint i = 0; i < chunk; i += preps / 32) {
    const uint r = i + warp;
    const ulong64 row = (token + r) * p.qk + hk * K;
    const Vec<K> x = unit_row<K>(k + row, r < n, 1.0f, p, lane), y = unit_row<K>(q + row, r < n, p.scale, p, lane);
    UNROLL for (uint j = 0; j < K / 32; j += 2) {
      const uint to = r * stride + j / 2 * 64 + 2 * lane;
      *(float2 *)(s.k + to) = make_float2(x.x[j], x.x[j + 1]);
      *(float2 *)(s.q + to) = make_float2(y.x[j], y.x[j + 1]);
    }
  }
  NO_UNROLL for (uint i = tid; i < chunk * K; i += preps) {
    const uint t = i / K, ch = i % K;
    s.G[t * stride + ch] = t < n ? log2_e * log_decay(a[((token + t) * p.H + h) * K + ch], dt, A, h * K + ch, h, p.raw != 0) : 0.0f;
  }
  NO_UNROLL for (uint i = tid; i < 2 * chunk * side; i += preps) square[i] = 0.0f;
  if (tid < chunk) beta[tid] = tid < n ? step_size(b[(token + tid) * p.H + h], p.raw != 0) : 0.0f;
  BARRIER();
  if (tid < K) {
    float sum = 0.0f;
    NO_UNROLL for (uint t = 0; t < chunk; t++) s.G[t * stride + tid] = sum += s.G[t * stride + tid];
    fs[at * factors + tid] = k_exp2_fast(sum);
  }
  BARRIER();
  NO_UNROLL for (uint i = 2 * tid; i < chunk * K; i += 2 * preps) {
    const uint ch = i % K, from = i / K * stride + ch;
    const float2 x = *(const float2 *)(s.k + from), y = *(const float2 *)(s.q + from), G = *(const float2 *)(s.G + from);
    const float2 last = *(const float2 *)(s.G + (chunk - 1) * stride + ch);
    const float e = k_exp2_fast(G.x), f = k_exp2_fast(G.y);
    const ulong64 to = at * Prep<K>::keys + i;
    store_split(qs + to, chunk * K, y.x * e, y.y * f);
    store_split(ks + to, chunk * K, x.x * e, x.y * f);
    store_split(us + to, chunk * K, x.x * k_exp2_fast(last.x - G.x), x.y * k_exp2_fast(last.y - G.y));
  }

  // Below the diagonal blocks: a warp has 16 rows, of A or of M.
  const uint block = warp / 2 + 1;
  if (block < 4) {
    Acc g[6];
    UNROLL for (uint i = 0; i < 6; i++) g[i] = Acc{};
    NO_UNROLL for (uint i = 0; i < K; i += 16) {
      const Left x = left_decayed(s, warp % 2 ? s.q : s.k, 16 * block, i, 16 * block, lane);
      UNROLL for (uint j = 0; j < 3; j++)
        if (j < block) multiply(g + 2 * j, x, keys_decayed(s, 16 * j, i, 16 * block, lane));
    }
    UNROLL for (uint j = 0; j < 6; j++) {
      UNROLL for (uint e = 0; e < 4; e++) {
        const uint r = 16 * block + lane / 4 + e / 2 * 8, col = 8 * j + lane % 4 * 2 + e % 2;
        if (j / 2 < block) (warp % 2 ? M : square)[r * side + col] = warp % 2 ? g[j].x[e] : beta[r] * g[j].x[e];
      }
    }
  }
  // Diagonal blocks: a thread has a pair of tokens. Rows i and 15-i of a block have
  // 17 pairs together.
  NO_UNROLL for (uint u = tid; u < 4 * 136; u += preps) {
    const uint first = u / 136 * 16, i = u % 136 / 17, j = u % 17, r = first + (j < 16 - i ? 15 - i : i), col = first + (j < 16 - i ? j : j - (16 - i));
    float x = 0.0f, y = 0.0f;
    NO_UNROLL for (uint ch = 0; ch < K; ch += 4) {
      const float4 G = *(const float4 *)(s.G + r * stride + ch) - *(const float4 *)(s.G + col * stride + ch);
      const float4 w = *(const float4 *)(s.k + col * stride + ch) * make_float4(k_exp2_fast(G.x), k_exp2_fast(G.y), k_exp2_fast(G.z), k_exp2_fast(G.w));
      x += dot4(*(const float4 *)(s.k + r * stride + ch), w);
      y += dot4(*(const float4 *)(s.q + r * stride + ch), w);
    }
    if (col < r) square[r * side + col] = beta[r] * x;
    M[r * side + col] = y;
  }
  BARRIER();
  float *X = s.k; // no longer needed
  store_square(ms + at * Prep<K>::square, M, tid);
  invert(square, X, tid);
  store_inverse(ts + at * Prep<K>::square, X, beta, tid);
}

KERNEL(delta_prep_128, preps, BUF(0, const float, q), BUF(1, const float, k), BUF(2, const float, a), BUF(3, const float, dt),
       BUF(4, const float, A), BUF(5, const float, b), BUF(6, ushort, qs), BUF(7, ushort, ks), BUF(8, ushort, ts), BUF(9, ushort, ms),
       BUF(10, float, fs), PARAMS(11, DeltaParams, p)) {
  prep_heads<128>(dynamic, q, k, a, dt, A, b, qs, ks, ts, ms, fs, p, BID_X, BID_Y, BID_Z, TID_X);
}
KERNEL(delta_prep_channels_128, preps, BUF(0, const float, q), BUF(1, const float, k), BUF(2, const float, a), BUF(3, const float, dt),
       BUF(4, const float, A), BUF(5, const float, b), BUF(6, ushort, qs), BUF(7, ushort, ks), BUF(8, ushort, us), BUF(9, ushort, ts),
       BUF(10, ushort, ms), BUF(11, float, fs), PARAMS(12, DeltaParams, p)) {
  prep_channels<128>(dynamic, q, k, a, dt, A, b, qs, ks, us, ts, ms, fs, p, BID_X, BID_Y, BID_Z, TID_X);
}
