// The weight types: how their elements lie in bytes, for kernels that multiply
// with them and kernels that look rows up. Package quant says what each means. The
// pointers are those of CUDA, which may be to any memory.
#pragma once

// Run is 32 weights side by side in a row of a block format, in parts: weight i is
//   scale[i / GROUP]·q[i] - low[i / GROUP]
// with the q as signed bytes, four a word. With groups of 32 only the first scale is
// set, and low only where the format has minima.
struct Run { uint q[8]; float scale[2], low[2]; };

DEV ushort half_word(const uchar *p) { return *(const ushort *)p; }
DEV float half_at(const uchar *p) { return f16_to_f32(half_word(p)); }

// N words from p on. ALIGN is the bytes that p is known to be a multiple of. Where
// that is not enough, whole words are read and shifted, none that lies beyond the
// word with the last byte.
template <int N, int ALIGN> DEV void load_words(const uchar *p, uint *w) {
  if (ALIGN >= 16 && N % 4 == 0) {
    UNROLL for (int i = 0; i < N / 4; i++) {
      const uint4 v = ((const uint4 *)p)[i];
      w[4 * i] = v.x, w[4 * i + 1] = v.y, w[4 * i + 2] = v.z, w[4 * i + 3] = v.w;
    }
  } else if (ALIGN >= 8 && N % 2 == 0) {
    UNROLL for (int i = 0; i < N / 2; i++) {
      const uint2 v = ((const uint2 *)p)[i];
      w[2 * i] = v.x, w[2 * i + 1] = v.y;
    }
  } else if (ALIGN >= 4) {
    UNROLL for (int i = 0; i < N; i++) w[i] = ((const uint *)p)[i];
  } else {
    const uint off = (uint)(ulong64)p & 3, order = 0x3210 + 0x1111 * off;
    const uint *at = (const uint *)(p - off);
    uint had = at[0];
    UNROLL for (int i = 0; i < N; i++) {
      const uint next = at[i + 1 < N ? i + 1 : (off + 4 * N - 1) / 4];
      w[i] = permute_bytes(had, next, order);
      had = next;
    }
  }
}

// Bytes q - ZERO of bytes q below 128.
template <int ZERO> DEV uint below_zero(uint q) {
  return ZERO ? (q + 0x01010101u * (128 - ZERO)) ^ 0x80808080u : q;
}

// The values that a book of 16 has for the codes in the halves of the bytes of w.
struct Book { uint a, b, c, d; };
DEV void look_up(const Book &t, uint w, uint &low, uint &high) {
  uint v[2];
  UNROLL for (int i = 0; i < 2; i++) {
    const uint code = w >> (16 * i);
    const uint small = permute_bytes(t.a, t.b, code & 0x7777), large = permute_bytes(t.c, t.d, code & 0x7777);
    v[i] = permute_bytes(small, large, 0x3210 | (code & 0x8888) >> 1);
  }
  low = permute_bytes(v[0], v[1], 0x6420);
  high = permute_bytes(v[0], v[1], 0x7531);
}
DEV Book iq4_book() { return {0xbfad9881u, 0xf6eaddcfu, 0x26190d01u, 0x71594535u}; }
DEV Book e2m1_book() { return {0x03020100u, 0x0c080604u, 0xfdfeff00u, 0xf4f8fafcu}; }

// 32 elements in 16 bytes: those below 16 in the low halves.
template <int ALIGN> DEV void nibbles(const uchar *p, uint *q) {
  uint w[4];
  load_words<4, ALIGN>(p, w);
  UNROLL for (int i = 0; i < 4; i++) q[i] = w[i] & 0x0f0f0f0fu, q[4 + i] = w[i] >> 4 & 0x0f0f0f0fu;
}
template <int ALIGN> DEV void coded_nibbles(const uchar *p, const Book &t, uint *q) {
  uint w[4];
  load_words<4, ALIGN>(p, w);
  UNROLL for (int i = 0; i < 4; i++) look_up(t, w[i], q[i], q[4 + i]);
}

// Four bits from bit i of w on, as bit 4 of four bytes.
DEV uint fifth_bits(uint w, uint i) {
  const uint b = w >> i;
  return (b & 1) << 4 | (b & 2) << 11 | (b & 4) << 18 | (b & 8) << 25;
}

// A block format has ELEMS elements in BYTES bytes, GROUP of them share a scale, and
// MINIMA says that it has minima. ALIGN is the bytes that every block begins at a
// multiple of, as tensors begin at a multiple of 16. run(p, k, r) unpacks the 32
// weights from 32·k on of the block at p.

struct WeightQ4_0 {
  static const int ELEMS = 32, BYTES = 18, GROUP = 32, ALIGN = 2;
  static const bool MINIMA = false;
  DEV void run(const uchar *p, uint, Run &r) {
    nibbles<ALIGN>(p + 2, r.q);
    UNROLL for (int i = 0; i < 8; i++) r.q[i] = below_zero<8>(r.q[i]);
    r.scale[0] = half_at(p);
  }
};

struct WeightQ4_1 {
  static const int ELEMS = 32, BYTES = 20, GROUP = 32, ALIGN = 4;
  static const bool MINIMA = true;
  DEV void run(const uchar *p, uint, Run &r) {
    nibbles<ALIGN>(p + 4, r.q);
    r.scale[0] = half_at(p), r.low[0] = -half_at(p + 2);
  }
};

struct WeightQ5_0 {
  static const int ELEMS = 32, BYTES = 22, GROUP = 32, ALIGN = 2;
  static const bool MINIMA = false;
  DEV void run(const uchar *p, uint, Run &r) {
    nibbles<ALIGN>(p + 6, r.q);
    const uint high = half_word(p + 2) | (uint)half_word(p + 4) << 16;
    UNROLL for (int i = 0; i < 8; i++) r.q[i] = below_zero<16>(r.q[i] | fifth_bits(high, 4 * i));
    r.scale[0] = half_at(p);
  }
};

struct WeightQ5_1 {
  static const int ELEMS = 32, BYTES = 24, GROUP = 32, ALIGN = 8;
  static const bool MINIMA = true;
  DEV void run(const uchar *p, uint, Run &r) {
    nibbles<ALIGN>(p + 8, r.q);
    const uint high = *(const uint *)(p + 4);
    UNROLL for (int i = 0; i < 8; i++) r.q[i] |= fifth_bits(high, 4 * i);
    r.scale[0] = half_at(p), r.low[0] = -half_at(p + 2);
  }
};

struct WeightQ8_0 {
  static const int ELEMS = 32, BYTES = 34, GROUP = 32, ALIGN = 2;
  static const bool MINIMA = false;
  DEV void run(const uchar *p, uint, Run &r) {
    load_words<8, ALIGN>(p + 2, r.q);
    r.scale[0] = half_at(p);
  }
};

struct WeightIQ4_NL {
  static const int ELEMS = 32, BYTES = 18, GROUP = 32, ALIGN = 2;
  static const bool MINIMA = false;
  DEV void run(const uchar *p, uint, Run &r) {
    coded_nibbles<ALIGN>(p + 2, iq4_book(), r.q);
    r.scale[0] = half_at(p);
  }
};

struct WeightMXFP4 {
  static const int ELEMS = 32, BYTES = 17, GROUP = 32, ALIGN = 1;
  static const bool MINIMA = false;
  DEV void run(const uchar *p, uint, Run &r) {
    coded_nibbles<ALIGN>(p + 1, e2m1_book(), r.q);
    const uint e = *p; // 2^(e-128), which for e below 2 is no normal number
    r.scale[0] = as_float(e < 2 ? 0x00200000u << e : (e - 1) << 23);
  }
};

// K quants: 256 elements a block.

// Two bits each of the elements of run k, in 64 bytes from p on.
template <int ALIGN> DEV void two_bits(const uchar *p, uint k, uint *w) {
  load_words<8, ALIGN>(p + 32 * (k >> 2), w);
  const uint shift = 2 * (k & 3);
  UNROLL for (int i = 0; i < 8; i++) w[i] = w[i] >> shift & 0x03030303u;
}

struct WeightQ2_K {
  static const int ELEMS = 256, BYTES = 84, GROUP = 16, ALIGN = 4;
  static const bool MINIMA = true;
  DEV void run(const uchar *p, uint k, Run &r) {
    two_bits<ALIGN>(p + 16, k, r.q);
    const uint pairs = half_word(p + 2 * k);
    const float d = half_at(p + 80), low = half_at(p + 82);
    r.scale[0] = d * (float)(pairs & 15), r.low[0] = low * (float)(pairs >> 4 & 15);
    r.scale[1] = d * (float)(pairs >> 8 & 15), r.low[1] = low * (float)(pairs >> 12);
  }
};

struct WeightQ3_K {
  static const int ELEMS = 256, BYTES = 110, GROUP = 16, ALIGN = 2;
  static const bool MINIMA = false;
  DEV void run(const uchar *p, uint k, Run &r) {
    two_bits<ALIGN>(p + 32, k, r.q);
    uint mask[8];
    load_words<8, ALIGN>(p, mask);
    UNROLL for (int i = 0; i < 8; i++) r.q[i] = below_zero<4>(r.q[i] | (mask[i] >> k & 0x01010101u) << 2);
    const float d = half_at(p + 108);
    const uint group = 2 * k, low = half_word(p + 96 + (group & 7)) >> (4 * (k >> 2)),
               high = half_word(p + 104 + (group & 3)) >> (2 * (group >> 2));
    r.scale[0] = d * (float)((int)((low & 15) | (high & 3) << 4) - 32);
    r.scale[1] = d * (float)((int)((low >> 8 & 15) | (high >> 8 & 3) << 4) - 32);
  }
};

// The scale and the minimum of run k of a block that begins with 16 bytes: both in f16,
// then 8 of each in 6 bits.
DEV void pair_of(const uchar *p, uint k, Run &r) {
  const uint4 head = *(const uint4 *)p;
  const uint by = 8 * (k & 3), a = head.y >> by, b = head.z >> by, c = head.w >> by;
  const uint sc = k < 4 ? a & 63 : (c & 15) | (a >> 2 & 48), mn = k < 4 ? b & 63 : (c >> 4 & 15) | (b >> 2 & 48);
  r.scale[0] = f16_to_f32((ushort)head.x) * (float)sc;
  r.low[0] = f16_to_f32((ushort)(head.x >> 16)) * (float)mn;
}

struct WeightQ4_K {
  static const int ELEMS = 256, BYTES = 144, GROUP = 32, ALIGN = 16;
  static const bool MINIMA = true;
  DEV void run(const uchar *p, uint k, Run &r) {
    load_words<8, ALIGN>(p + 16 + 32 * (k >> 1), r.q);
    const uint shift = 4 * (k & 1);
    UNROLL for (int i = 0; i < 8; i++) r.q[i] = r.q[i] >> shift & 0x0f0f0f0fu;
    pair_of(p, k, r);
  }
};

struct WeightQ5_K {
  static const int ELEMS = 256, BYTES = 176, GROUP = 32, ALIGN = 16;
  static const bool MINIMA = true;
  DEV void run(const uchar *p, uint k, Run &r) {
    load_words<8, ALIGN>(p + 48 + 32 * (k >> 1), r.q);
    uint high[8];
    load_words<8, ALIGN>(p + 16, high);
    const uint shift = 4 * (k & 1);
    UNROLL for (int i = 0; i < 8; i++)
      r.q[i] = (r.q[i] >> shift & 0x0f0f0f0fu) | (high[i] >> k & 0x01010101u) << 4;
    pair_of(p, k, r);
  }
};

struct WeightQ6_K {
  static const int ELEMS = 256, BYTES = 210, GROUP = 16, ALIGN = 2;
  static const bool MINIMA = false;
  DEV void run(const uchar *p, uint k, Run &r) {
    two_bits<ALIGN>(p + 128, k, r.q);
    uint low[8];
    load_words<8, ALIGN>(p + 64 * (k >> 2) + 32 * (k & 1), low);
    const uint shift = 4 * (k >> 1 & 1);
    UNROLL for (int i = 0; i < 8; i++)
      r.q[i] = below_zero<32>((low[i] >> shift & 0x0f0f0f0fu) | r.q[i] << 4);
    const float d = half_at(p + 208);
    const uint scales = half_word(p + 192 + 2 * k);
    r.scale[0] = d * (float)(schar)(scales & 255), r.scale[1] = d * (float)(schar)(scales >> 8);
  }
};

struct WeightIQ4_XS {
  static const int ELEMS = 256, BYTES = 136, GROUP = 32, ALIGN = 8;
  static const bool MINIMA = false;
  DEV void run(const uchar *p, uint k, Run &r) {
    coded_nibbles<ALIGN>(p + 8 + 16 * k, iq4_book(), r.q);
    const uint low = p[4 + (k >> 1)] >> (4 * (k & 1)) & 15, high = half_word(p + 2) >> (2 * k) & 3;
    r.scale[0] = half_at(p) * (float)((int)(low | high << 4) - 32);
  }
};

// Weight i of a run.
template <class W> DEV float weight_of(const Run &r, int i) {
  const float v = (float)(schar)(r.q[i >> 2] >> (8 * (i & 3))) * r.scale[i / W::GROUP];
  return W::MINIMA ? v - r.low[i / W::GROUP] : v;
}

// Activations beside a run: 32 bytes, four a word, of which each stands for itself
// times the activations' own scale. sums has the sum of the first 16 in its low
// half, that of the others in its high half.

// The sum of the products with a run, but for the activations' scale.
template <class W> DEV float run_dot(const Run &r, const uint *x, uint sums) {
  int a = 0, b = 0;
  UNROLL for (int i = 0; i < 4; i++) {
    a = dp4a((int)r.q[i], (int)x[i], a);
    b = dp4a((int)r.q[4 + i], (int)x[4 + i], b);
  }
  const int first = (short)(sums & 0xffff), second = (int)sums >> 16;
  if (W::GROUP == 32) {
    const float v = r.scale[0] * (float)(a + b);
    return W::MINIMA ? v - r.low[0] * (float)(first + second) : v;
  }
  const float v = k_fma(r.scale[1], (float)b, r.scale[0] * (float)a);
  return W::MINIMA ? v - k_fma(r.low[1], (float)second, r.low[0] * (float)first) : v;
}

// Types without blocks: at(p, i) is element i of a row at p; eight(p, i, v) are 8
// from element i on, where they begin at a multiple of 16 bytes.
struct WeightF32 {
  static const int BYTES = 4;
  DEV float at(const uchar *p, uint i) { return ((const float *)p)[i]; }
  DEV void eight(const uchar *p, uint i, float *v) {
    UNROLL for (int h = 0; h < 2; h++) {
      const float4 x = ((const float4 *)p)[i / 4 + h];
      v[4 * h] = x.x, v[4 * h + 1] = x.y, v[4 * h + 2] = x.z, v[4 * h + 3] = x.w;
    }
  }
};
struct WeightF16 {
  static const int BYTES = 2;
  DEV float at(const uchar *p, uint i) { return f16_to_f32(((const ushort *)p)[i]); }
  DEV void eight(const uchar *p, uint i, float *v) {
    const uint4 x = ((const uint4 *)p)[i / 8];
    const uint w[4] = {x.x, x.y, x.z, x.w};
    UNROLL for (int h = 0; h < 4; h++) v[2 * h] = f16_to_f32((ushort)w[h]), v[2 * h + 1] = f16_to_f32((ushort)(w[h] >> 16));
  }
};
struct WeightBF16 {
  static const int BYTES = 2;
  DEV float at(const uchar *p, uint i) { return bf16_to_f32(((const ushort *)p)[i]); }
  DEV void eight(const uchar *p, uint i, float *v) {
    const uint4 x = ((const uint4 *)p)[i / 8];
    const uint w[4] = {x.x, x.y, x.z, x.w};
    UNROLL for (int h = 0; h < 4; h++) v[2 * h] = as_float(w[h] << 16), v[2 * h + 1] = as_float(w[h] & 0xffff0000u);
  }
};

// Both kinds, as X(number of the type in package graph, its name there, struct).
#define PLAIN_WEIGHTS(X) X(1, f32, WeightF32) X(2, f16, WeightF16) X(3, bf16, WeightBF16)
#define BLOCK_WEIGHTS(X)                                                          \
  X(5, q4_0, WeightQ4_0) X(6, q4_1, WeightQ4_1) X(7, q5_0, WeightQ5_0)            \
  X(8, q5_1, WeightQ5_1) X(9, q8_0, WeightQ8_0) X(10, q2_k, WeightQ2_K)           \
  X(11, q3_k, WeightQ3_K) X(12, q4_k, WeightQ4_K) X(13, q5_k, WeightQ5_K)         \
  X(14, q6_k, WeightQ6_K) X(15, iq4_nl, WeightIQ4_NL) X(16, iq4_xs, WeightIQ4_XS) \
  X(17, mxfp4, WeightMXFP4)
