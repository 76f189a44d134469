#include "delta_chunk.h"

SHARED_DYNAMIC(ushort, dynamic);

constexpr uint preps = 256; // threads
constexpr uint side = 68;   // numbers from row to row of a square matrix

// invert makes X [64 64] the inverse of I + A, A being below the diagonal, by
// forward substitution: 16 rows at a time, first what the rows above them take
// away, then, a column a thread, what they take from each other.
DEV void invert(const float *A, float *X, uint tid) {
  NO_UNROLL for (uint first = 0; first < chunk; first += 16) {
    const uint i = first + tid / 16, c = tid % 16 * 4;
    float4 y = make_float4(i == c, i == c + 1, i == c + 2, i == c + 3);
    NO_UNROLL for (uint l = 0; l < first; l++) y -= A[i * side + l] * *(const float4 *)(X + l * side + c);
    *(float4 *)(X + i * side + c) = y;
    BARRIER();
    if (tid < chunk) {
      float x[16];
      UNROLL for (uint r = 0; r < 16; r++) {
        x[r] = X[(first + r) * side + tid];
        UNROLL for (uint s = 0; s < r; s++) x[r] -= A[(first + r) * side + first + s] * x[s];
        X[(first + r) * side + tid] = x[r];
      }
    }
    BARRIER();
  }
}

// store_square writes X diag(beta) as a tile.
DEV void store_square(GLOBAL ushort *to, const float *X, const float *beta, uint tid) {
  NO_UNROLL for (uint i = 2 * tid; i < chunk * chunk; i += 2 * preps) {
    const uint r = i / chunk, c = i % chunk;
    store_split(to + i, chunk * chunk, X[r * side + c] * beta[c], X[r * side + c + 1] * beta[c + 1]);
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

// delta_prep for one decay a head. scratch: tiles of q and k by key head, of T and
// M by head, all by chunk; factors by chunk.
template <uint K>
DEV void prep_head(ushort *shared, GLOBAL const float *q, GLOBAL const float *k, GLOBAL const float *a, GLOBAL const float *dt,
                   GLOBAL const float *A, GLOBAL const float *b, GLOBAL ushort *qs, GLOBAL ushort *ks, GLOBAL ushort *ts,
                   GLOBAL ushort *ms, GLOBAL float *fs, const DeltaParams &p, uint c, uint h, uint seq, uint tid) {
  const uint lane = tid % 32, warp = tid / 32, chunks = (p.T + chunk - 1) / chunk, hk = key_head(h, p.Hk, p.H, p.tiled);
  const uint n = p.T - c * chunk < chunk ? p.T - c * chunk : chunk;
  const ulong64 token = (ulong64)seq * p.T + c * chunk, at = ((ulong64)seq * p.H + h) * chunks + c;
  const ulong64 key = ((ulong64)seq * p.Hk + hk) * chunks + c;
  const bool first = p.tiled ? h < p.Hk : h % (p.H / p.Hk) == 0; // of those that share the key head
  ushort *kt = shared, *qt = kt + Tile<K>::size / 2;
  float *G = (float *)(qt + Tile<K>::size / 2), *beta = G + chunk; // G in powers of 2

  NO_UNROLL for (uint r = warp; r < chunk; r += preps / 32) {
    const ulong64 row = (token + r) * p.qk + hk * K;
    const Vec<K> x = unit_row<K>(k + row, r < n, 1.0f, p, lane), y = unit_row<K>(q + row, r < n, p.scale, p, lane);
    UNROLL for (uint i = 0; i < K / 32; i += 2) {
      const uint col = i / 2 * 64 + 2 * lane;
      store_split(kt + r * (Tile<K>::stride / 2) + col, Tile<K>::low / 2, x.x[i], x.x[i + 1]);
      store_split(qt + r * (Tile<K>::stride / 2) + col, Tile<K>::low / 2, y.x[i], y.x[i + 1]);
      if (first) {
        store_split(ks + key * Prep<K>::keys + r * K + col, chunk * K, x.x[i], x.x[i + 1]);
        store_split(qs + key * Prep<K>::keys + r * K + col, chunk * K, y.x[i], y.x[i + 1]);
      }
    }
  }
  if (tid < chunk) {
    const ulong64 i = (token + tid) * p.H + h;
    G[tid] = tid < n ? 1.4426950408889634f * log_decay(a[i], dt, A, h, h, p.raw != 0) : 0.0f;
    beta[tid] = tid < n ? step_size(b[i], p.raw != 0) : 0.0f;
  }
  BARRIER();
  if (warp == 0) { // a lane has two tokens
    const float x = G[2 * lane], y = G[2 * lane + 1];
    float sum = x + y;
    UNROLL for (uint m = 1; m < 32; m <<= 1) {
      const float up = simd_shuffle_up(sum, m);
      if (lane >= m) sum += up;
    }
    G[2 * lane] = sum - y;
    G[2 * lane + 1] = sum;
  }
  BARRIER();
  if (tid < chunk) {
    fs[at * factors + tid] = k_exp2_fast(G[tid]);
    fs[at * factors + chunk + tid] = k_exp2_fast(G[chunk - 1] - G[tid]);
  }

  // Four warps have K Kᵀ, four Q Kᵀ, each 16 rows of it up to the diagonal.
  const uint row = warp % 4 * 16, keys = shared_address(kt), rows = warp < 4 ? keys : shared_address(qt);
  Acc g[8];
  UNROLL for (uint i = 0; i < 8; i++) g[i] = Acc{};
  NO_UNROLL for (uint i = 0; i < K; i += 16) {
    const struct A x = left<K>(rows, row, i, lane);
    UNROLL for (uint j = 0; j < 4; j++)
      if (16 * j <= row) multiply(g + 2 * j, x, right_transposed<K>(keys, 16 * j, i, lane));
  }
  BARRIER(); // from here on squares lie where the tiles were
  float *square = (float *)shared, *X = square + chunk * side;
  UNROLL for (uint j = 0; j < 8; j++) {
    UNROLL for (uint e = 0; e < 4; e += 2) {
      const uint r = row + lane / 4 + 4 * e, s = 8 * j + lane % 4 * 2;
      if (warp < 4) {
        square[r * side + s] = s < r ? beta[r] * g[j].x[e] * k_exp2_fast(G[r] - G[s]) : 0.0f;
        square[r * side + s + 1] = s + 1 < r ? beta[r] * g[j].x[e + 1] * k_exp2_fast(G[r] - G[s + 1]) : 0.0f;
      } else {
        store_split(ms + at * Prep<K>::square + r * chunk + s, chunk * chunk, s <= r ? g[j].x[e] * k_exp2_fast(G[r] - G[s]) : 0.0f,
                    s + 1 <= r ? g[j].x[e + 1] * k_exp2_fast(G[r] - G[s + 1]) : 0.0f);
      }
    }
  }
  BARRIER();
  invert(square, X, tid);
  store_square(ts + at * Prep<K>::square, X, beta, tid);
}

#define DELTA_PREP(NAME, K) \
KERNEL(NAME, preps, BUF(0, const float, q), BUF(1, const float, k), BUF(2, const float, a), BUF(3, const float, dt), BUF(4, const float, A), \
       BUF(5, const float, b), BUF(6, ushort, qs), BUF(7, ushort, ks), BUF(8, ushort, ts), BUF(9, ushort, ms), BUF(10, float, fs), \
       PARAMS(11, DeltaParams, p)) { \
  prep_head<K>(dynamic, q, k, a, dt, A, b, qs, ks, ts, ms, fs, p, BID_X, BID_Y, BID_Z, TID_X); \
}

DELTA_PREP(delta_prep_128, 128)
