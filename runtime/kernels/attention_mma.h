// Attention's products on tensor cores, for a cache of halves. Keys, and then the
// elements of values, are the rows of the products, columns are their columns: 8
// query heads of one key head fill a tile. Queries and weights are pairs of halves,
// so nothing but the sum's order differs from products of floats.
//
// Tiles come from memory straight to registers, 16 bytes a load: a product's inner
// index may run in any order that both sides share, and its rows in any order at all.
// Warps that read the same positions find them in the L1 cache.
#include "attention.h"

DEV void mma(float4 &c, uint a0, uint a1, uint a2, uint a3, uint b0, uint b1) {
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
               : "+f"(c.x), "+f"(c.y), "+f"(c.z), "+f"(c.w)
               : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1));
}

// The low and the high halves of two words.
DEV uint lows(uint a, uint b) { return (a & 0xffffu) | b << 16; }
DEV uint highs(uint a, uint b) { return a >> 16 | (b & 0xffff0000u); }

DEV uint pair(float a, float b) { return f32_to_f16(a) | (uint)f32_to_f16(b) << 16; }
DEV float rest(float a) { return a - f16_to_f32(f32_to_f16(a)); }

DEV uint4 words(const ushort *x) { return *(const uint4 *)x; }

// The largest of a lane's number and those of the lanes that have the same column.
DEV float column_max(float v) {
  UNROLL for (int m = 4; m < 32; m <<= 1) v = k_max(v, simd_shuffle_xor(v, m));
  return v;
}
DEV float column_sum(float v) {
  UNROLL for (int m = 4; m < 32; m <<= 1) v += simd_shuffle_xor(v, m);
  return v;
}

// Weights of 16 keys, as a product leaves them to the lanes, turned into the operand
// of the next one.
DEV uint2 turned(uint first, uint second, uint lane) {
  const uint from = lane % 4 * 8 + lane / 8;
  const uint a = simd_shuffle_uint(first, from), b = simd_shuffle_uint(first, from + 4);
  const uint c = simd_shuffle_uint(second, from), d = simd_shuffle_uint(second, from + 4);
  return lane & 4 ? (uint2){highs(a, b), highs(c, d)} : (uint2){lows(a, b), lows(c, d)};
}

// A block of 4 warps takes 4/SHARE groups of NT tiles of 8 columns and one split of the
// positions, of which SHARE warps each take every SHARE-th 32. BIAS keeps small weights
// normal numbers.
template <int K, int V, int NT, int SHARE>
DEV void attend_mma(const ushort *high, const ushort *low, const float *factor, const ushort *keys, const ushort *values, const int *slots,
                    const int *pos, float2 *stats, float *parts, const AttendParams &p, float *merged, float2 *merged_stats) {
  const float BIAS = 10.0f;
  const uint lane = LANE, warp = TID_X / 32, quad = lane % 4, eighth = lane / 4, g = BID_Y, b = BID_Z;
  const uint columns = p.T * query_heads(p), wide = 8 * NT * 4 / SHARE;
  // The last columns of a prompt see the most: they go first.
  const uint split = BID_X % p.splits, first = (GDIM_X / p.splits - 1 - BID_X / p.splits) * wide, own = first + warp / SHARE * 8 * NT;

  uint seen = 0;
  for (uint c = lane; c < wide; c += 32) {
    const uint n = visible(p, slots, pos, b, first + c);
    seen = n > seen ? n : seen;
  }
  UNROLL for (int m = 16; m; m >>= 1) {
    const uint n = simd_shuffle_xor_uint(seen, m);
    seen = n > seen ? n : seen;
  }
  const uint each = share(seen, p.splits, 32 * SHARE), from = split * each, to = from + each < seen ? from + each : seen;
  if (from >= to) {
    for (uint c = TID_X; c < wide && first + c < columns; c += 128) stats[split_row(p, split, query_row(p, b, g, first + c))] = make_float2(NO_SCORE, 0.0f);
    return;
  }

  uint sees[NT][2], all = to;
  float scale[NT][2], most[NT][2], sum[NT][2];
  ulong64 query[NT];
  UNROLL for (int t = 0; t < NT; t++) {
    UNROLL for (int j = 0; j < 2; j++) {
      const uint c = own + t * 8 + quad * 2 + j, n = visible(p, slots, pos, b, c);
      sees[t][j] = n < to ? n : to;
      if (c < columns && n < all) all = n;
      scale[t][j] = c < columns ? factor[query_row(p, b, g, c)] : 0.0f;
      most[t][j] = NO_SCORE;
      sum[t][j] = 0.0f;
    }
    const uint c = own + t * 8 + eighth;
    query[t] = (ulong64)query_row(p, b, g, c < columns ? c : columns - 1) * K + 8 * quad;
  }
  UNROLL for (int m = 1; m < 4; m <<= 1) {
    const uint n = simd_shuffle_xor_uint(all, m);
    all = n < all ? n : all;
  }

  float4 o[V / 16][NT];
  UNROLL for (int i = 0; i < V / 16; i++) UNROLL for (int t = 0; t < NT; t++) o[i][t] = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
  const ulong64 step = (ulong64)p.G * K, slot = ((ulong64)(uint)slots[b] * p.C * p.G + g) * K;
  keys += slot;
  values += slot;

  for (uint base = from + warp % SHARE * 32; base < to; base += 32 * SHARE) {
    // Positions from to on are read as the last one before, and have no weight.
    const ushort *key[4];
    UNROLL for (uint i = 0; i < 4; i++) {
      const uint at = base + i * 8 + eighth;
      key[i] = keys + (at < to ? at : to - 1) * step + 8 * quad;
    }
    float4 s[2][NT];
    UNROLL for (int i = 0; i < 2; i++) UNROLL for (int t = 0; t < NT; t++) s[i][t] = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
    _Pragma("unroll 4") for (int d = 0; d < K; d += 32) {
      const uint4 k[4] = {words(key[0] + d), words(key[1] + d), words(key[2] + d), words(key[3] + d)};
      UNROLL for (int t = 0; t < NT; t++) {
        const uint4 h = words(high + query[t] + d), l = words(low + query[t] + d);
        UNROLL for (int i = 0; i < 2; i++) {
          const uint4 x = k[2 * i], y = k[2 * i + 1];
          mma(s[i][t], x.x, y.x, x.y, y.y, h.x, h.y);
          mma(s[i][t], x.x, y.x, x.y, y.y, l.x, l.y);
          mma(s[i][t], x.z, y.z, x.w, y.w, h.z, h.w);
          mma(s[i][t], x.z, y.z, x.w, y.w, l.z, l.w);
        }
      }
    }

    uint2 wh[2][NT], wl[2][NT];
    UNROLL for (int t = 0; t < NT; t++) {
      float less[2];
      UNROLL for (int j = 0; j < 2; j++) {
        float w[2][2], top = NO_SCORE;
        UNROLL for (int i = 0; i < 2; i++) {
          w[i][0] = (j ? s[i][t].y : s[i][t].x) * scale[t][j];
          w[i][1] = (j ? s[i][t].w : s[i][t].z) * scale[t][j];
          UNROLL for (int k = 0; k < 2; k++) {
            if (base + 32 > all && base + i * 16 + k * 8 + eighth >= sees[t][j]) w[i][k] = -as_float(0x7f800000u);
            top = k_max(top, w[i][k]);
          }
        }
        top = k_max(most[t][j], column_max(top));
        less[j] = k_exp2_fast(most[t][j] - top);
        most[t][j] = top;
        sum[t][j] *= less[j];
        UNROLL for (int i = 0; i < 2; i++) {
          UNROLL for (int k = 0; k < 2; k++) {
            w[i][k] = k_exp2_fast(w[i][k] - (top - BIAS));
            sum[t][j] += w[i][k];
          }
          if (j) {
            s[i][t].y = w[i][0], s[i][t].w = w[i][1];
          } else {
            s[i][t].x = w[i][0], s[i][t].z = w[i][1];
          }
        }
      }
      UNROLL for (int i = 0; i < V / 16; i++) o[i][t] *= make_float4(less[0], less[1], less[0], less[1]);
      UNROLL for (int i = 0; i < 2; i++) {
        const float4 w = s[i][t];
        wh[i][t] = turned(pair(w.x, w.y), pair(w.z, w.w), lane);
        wl[i][t] = turned(pair(rest(w.x), rest(w.y)), pair(rest(w.z), rest(w.w)), lane);
      }
    }

    UNROLL for (int i = 0; i < 2; i++) {
      const ushort *value[4];
      UNROLL for (uint j = 0; j < 4; j++) {
        const uint at = base + i * 16 + quad * 2 + j % 2 + j / 2 * 8;
        value[j] = values + (at < to ? at : to - 1) * step + 8 * eighth;
      }
      UNROLL for (int d = 0; d < V; d += 64) {
        const uint4 v[4] = {words(value[0] + d), words(value[1] + d), words(value[2] + d), words(value[3] + d)};
        UNROLL for (int e = 0; e < 4; e++) {
          const uint a0 = lows(v[0][e], v[1][e]), a1 = highs(v[0][e], v[1][e]), a2 = lows(v[2][e], v[3][e]), a3 = highs(v[2][e], v[3][e]);
          UNROLL for (int t = 0; t < NT; t++) {
            mma(o[d / 16 + e][t], a0, a1, a2, a3, wh[i][t].x, wh[i][t].y);
            mma(o[d / 16 + e][t], a0, a1, a2, a3, wl[i][t].x, wl[i][t].y);
          }
        }
      }
    }
    if (SHARE == 1) BARRIER(); // so that warps stay where the L1 cache is
  }

  // Lane l has elements 64i + 8(l/4) … + 7 of columns 2(l%4) and the next.
  UNROLL for (int t = 0; t < NT; t++) {
    UNROLL for (int j = 0; j < 2; j++) {
      const uint c = own + t * 8 + quad * 2 + j;
      const float2 stat = make_float2(most[t][j], column_sum(sum[t][j]));
      float *row;
      if (SHARE > 1) {
        const uint at = (warp % SHARE * NT + t) * 8 + quad * 2 + j;
        row = merged + at * V;
        if (eighth == 0) merged_stats[at] = stat;
      } else {
        if (c >= columns) continue;
        const ulong64 at = split_row(p, split, query_row(p, b, g, c));
        row = parts + at * V;
        if (eighth == 0) stats[at] = stat;
      }
      UNROLL for (int i = 0; i < V / 64; i++) {
        const float4 *x = &o[4 * i][0];
        float4 *to4 = (float4 *)(row + 64 * i + 8 * eighth);
        to4[0] = j ? make_float4(x[0 * NT + t].y, x[0 * NT + t].w, x[1 * NT + t].y, x[1 * NT + t].w)
                   : make_float4(x[0 * NT + t].x, x[0 * NT + t].z, x[1 * NT + t].x, x[1 * NT + t].z);
        to4[1] = j ? make_float4(x[2 * NT + t].y, x[2 * NT + t].w, x[3 * NT + t].y, x[3 * NT + t].w)
                   : make_float4(x[2 * NT + t].x, x[2 * NT + t].z, x[3 * NT + t].x, x[3 * NT + t].z);
      }
    }
  }
  if (SHARE == 1) return;
  BARRIER();
  for (uint i = TID_X; i < 8 * NT * V; i += 128) {
    const uint c = i / V, e = i % V;
    if (first + c >= columns) return;
    float top = NO_SCORE, weights = 0.0f, v = 0.0f;
    UNROLL for (uint w = 0; w < SHARE; w++) top = k_max(top, merged_stats[w * NT * 8 + c].x);
    UNROLL for (uint w = 0; w < SHARE; w++) {
      const float2 stat = merged_stats[w * NT * 8 + c];
      const float less = k_exp2_fast(stat.x - top);
      weights += stat.y * less;
      v += merged[(w * NT * 8 + c) * V + e] * less;
    }
    const ulong64 at = split_row(p, split, query_row(p, b, g, first + c));
    parts[at * V + e] = v;
    if (e == 0) stats[at] = make_float2(top, weights);
  }
}

#ifndef ATTEND_BLOCK
#define ATTEND_BLOCK 128
#endif
#define ATTEND_MMA(name, K, V, NT, SHARE) \
  KERNEL(name, ATTEND_BLOCK, BUF(0, const ushort, high), BUF(1, const ushort, low), BUF(2, const float, factor), BUF(3, const ushort, keys), \
         BUF(4, const ushort, values), BUF(5, const int, slots), BUF(6, const int, pos), BUF(7, float2, stats), BUF(8, float, parts), \
         PARAMS(9, AttendParams, p)) { \
    SHARED __attribute__((aligned(16))) float merged[SHARE > 1 ? SHARE * NT * 8 * V : 1]; \
    SHARED float2 merged_stats[SHARE > 1 ? SHARE * NT * 8 : 1]; \
    attend_mma<K, V, NT, SHARE>(high, low, factor, keys, values, slots, pos, stats, parts, p, merged, merged_stats); \
  }
