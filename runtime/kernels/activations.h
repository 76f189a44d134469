// Activations as products with block formats want them: rounded to 8 bits, 32 of them
// to a scale.
#pragma once

// A token's activations, n blocks of 32: the first 16 bytes of every block, the other
// 16 of every block, the scales, and the sums as run_dot has them. n is rounded up so
// that all parts begin at multiples of 16 bytes.
DEV uint padded_blocks(uint K) { return (K / 32 + 3) & ~3u; }
DEV uint token_bytes(uint K) { return padded_blocks(K) * 40; }

struct Token {
  const uchar *p;
  uint n;
  DEV Token of(const uchar *acts, uint K, uint t) { return {acts + (ulong64)t * token_bytes(K), padded_blocks(K)}; }
};
DEV uint4 token_half(const Token &a, uint block, uint half) { return *(const uint4 *)(a.p + 16 * (half * a.n + block)); }
DEV float token_scale(const Token &a, uint block) { return *(const float *)(a.p + 32 * a.n + 4 * block); }
DEV uint token_sums(const Token &a, uint block) { return *(const uint *)(a.p + 36 * a.n + 4 * block); }

// For each of T tokens 1/rms of its K activations, as a block of 256 threads finds it;
// 1 where there is no norm. part is room for 8·T numbers.
template <int T> DEV void norm_factors(const float *x, const float *norm, float eps, uint K, uint tokens, float *part, float *factor) {
  UNROLL for (int t = 0; t < T; t++) factor[t] = 1.0f;
  if (!norm) return;
  float squares[T];
  UNROLL for (int t = 0; t < T; t++) squares[t] = 0.0f;
#pragma unroll 4
  for (uint i = TID_X; i < K; i += 256)
    UNROLL for (int t = 0; t < T; t++) {
      const float v = t < tokens ? x[(ulong64)t * K + i] : 0.0f;
      squares[t] = k_fma(v, v, squares[t]);
    }
  UNROLL for (int t = 0; t < T; t++) {
    const float s = simd_sum(squares[t]);
    if (LANE == 0) part[8 * t + TID_X / 32] = s;
  }
  BARRIER();
  UNROLL for (int t = 0; t < T; t++) {
    float s = 0.0f;
    UNROLL for (int i = 0; i < 8; i++) s += part[8 * t + i];
    factor[t] = k_rsqrt(k_div(s, (float)K) + eps);
  }
}

DEV uint larger(uint a, uint b) { return a > b ? a : b; }

// Rounds block, of which a lane has the numbers from 4·e on; what is behind the last
// block is zeros.
DEV void round_block(float4 v, uchar *to, uint block, uint padded, uint e) {
  // As whole numbers, magnitudes have the same order, and NaN comes last.
  uint most = larger(larger(as_uint(k_abs(v.x)), as_uint(k_abs(v.y))), larger(as_uint(k_abs(v.z)), as_uint(k_abs(v.w))));
  UNROLL for (int m = 1; m < 8; m <<= 1) most = larger(most, simd_shuffle_xor_uint(most, m));
  float d = k_div(as_float(most), 127.0f), inv = 0.0f;
  if (most >= 0x7f800000u) d = as_float(0x7fc00000u);
  else if (d < 1.17549435e-38f) d = 0.0f;
  else inv = k_rcp(d);
  int q[4] = {0, 0, 0, 0};
  if (inv != 0.0f) q[0] = (int)k_rint(v.x * inv), q[1] = (int)k_rint(v.y * inv), q[2] = (int)k_rint(v.z * inv), q[3] = (int)k_rint(v.w * inv);
  int sum = q[0] + q[1] + q[2] + q[3];
  sum += (int)simd_shuffle_xor_uint((uint)sum, 1);
  sum += (int)simd_shuffle_xor_uint((uint)sum, 2);
  const int other = (int)simd_shuffle_xor_uint((uint)sum, 4);
  if (block >= padded) return;
  *(uint *)(to + 16 * ((e >> 2) * padded + block) + 4 * (e & 3)) =
      (q[0] & 255) | (q[1] & 255) << 8 | (q[2] & 255) << 16 | (uint)q[3] << 24;
  if (e == 0) {
    *(float *)(to + 32 * padded + 4 * block) = d;
    *(uint *)(to + 36 * padded + 4 * block) = ((uint)sum & 0xffff) | (uint)other << 16;
  }
}

// Rounds T tokens of K activations, times factor and norm, those from tokens on to
// zeros, with a block of 256 threads. Eight lanes share 32 activations. The numbers are
// those of quant.QuantizeI8.
template <int T> DEV void round_tokens(const float *x, const float *norm, const float *factor, uint K, uint tokens, uchar *acts) {
  const int AHEAD = T < 4 ? 4 / T : 1; // how often 32 blocks of each token are read before they are used
  const uint n = K / 32, padded = padded_blocks(K), e = LANE & 7;
  for (uint first = 0; first < n; first += 32 * AHEAD) {
    float4 ahead[AHEAD * T];
    UNROLL for (int i = 0; i < AHEAD * T; i++) {
      const uint t = i % T, block = first + 32 * (i / T) + TID_X / 8;
      ahead[i] = t < tokens && block < n ? *(const float4 *)(x + (ulong64)t * K + 32 * block + 4 * e) : make_float4(0.0f, 0.0f, 0.0f, 0.0f);
    }
    UNROLL for (int i = 0; i < AHEAD * T; i++) {
      const uint t = i % T, block = first + 32 * (i / T) + TID_X / 8;
      if (first + 32 * (i / T) >= padded) break;
      float4 v = ahead[i];
      if (norm && block < n) {
        const float4 w = *(const float4 *)(norm + 32 * block + 4 * e);
        v = make_float4(v.x * factor[t] * w.x, v.y * factor[t] * w.y, v.z * factor[t] * w.z, v.w * factor[t] * w.w);
      }
      round_block(v, acts + (ulong64)t * token_bytes(K), block, padded, e);
    }
  }
}
