// What the kernels' dialect means to Metal: this file in front of a .k file is the
// text for newLibraryWithSource. There is no Metal backend yet; a test holds the
// kernels to Metal's rules of address spaces.
#include <metal_stdlib>
using namespace metal;

typedef char schar;
typedef ulong ulong64;

#define DEV static inline
#define GLOBAL device
#define SHARED threadgroup
#define CONST_TABLE constant const

#define KERNEL(name, maxthreads, ...)                                     \
  [[max_total_threads_per_threadgroup(maxthreads)]] kernel void name(__VA_ARGS__, \
      uint3 tid__ [[thread_position_in_threadgroup]], uint3 bid__ [[threadgroup_position_in_grid]], \
      uint3 bdim__ [[threads_per_threadgroup]], uint3 gdim__ [[threadgroups_per_grid]],             \
      uint lane__ [[thread_index_in_simdgroup]])
#define BUF(n, T, name) device T *name [[buffer(n)]]
#define BUF_ALIASED(n, T, name) device T *name [[buffer(n)]]
#define PARAMS(n, T, name) constant T &name [[buffer(n)]]
#define PASSED(T) constant T &

#define TID_X tid__.x
#define TID_Y tid__.y
#define TID_Z tid__.z
#define BID_X bid__.x
#define BID_Y bid__.y
#define BID_Z bid__.z
#define BDIM_X bdim__.x
#define BDIM_Y bdim__.y
#define GDIM_X gdim__.x
#define LANE lane__
#define BARRIER() threadgroup_barrier(mem_flags::mem_threadgroup)
#define SIMD_BARRIER() simdgroup_barrier(mem_flags::mem_threadgroup)
#define UNROLL _Pragma("clang loop unroll(full)")
#define NO_UNROLL _Pragma("clang loop unroll(disable)")

DEV float as_float(uint x) { return as_type<float>(x); }
DEV uint as_uint(float x) { return as_type<uint>(x); }

DEV float simd_shuffle_one(float v, uint lane) { return simd_shuffle(v, (ushort)lane); }
DEV uint simd_shuffle_uint(uint v, uint lane) { return simd_shuffle(v, (ushort)lane); }
DEV uint simd_shuffle_xor_uint(uint v, uint m) { return simd_shuffle_xor(v, (ushort)m); }

DEV float k_max(float a, float b) { return fmax(a, b); }
DEV float k_min(float a, float b) { return fmin(a, b); }
DEV float k_abs(float x) { return fabs(x); }
DEV float k_fma(float a, float b, float c) { return fma(a, b, c); }
DEV float k_rint(float x) { return rint(x); }
DEV float k_div(float a, float b) { return precise::divide(a, b); }
DEV float k_rcp(float x) { return precise::divide(1.0f, x); }
DEV float k_sqrt(float x) { return precise::sqrt(x); }
DEV float k_rsqrt(float x) { return precise::rsqrt(x); }
DEV float k_rsqrt_fast(float x) { return fast::rsqrt(x); }
DEV float k_exp2_fast(float x) { return fast::exp2(x); }
DEV float k_log2_fast(float x) { return fast::log2(x); }
DEV float k_exp(float x) { return precise::exp(x); }
DEV float k_sigmoid(float x) { return k_rcp(1.0f + k_exp(-x)); }
DEV float k_silu(float x) { return k_div(x, 1.0f + k_exp(-x)); }

#define make_float2(a, b) float2(a, b)
#define make_float4(a, b, c, d) float4(a, b, c, d)
DEV float dot4(float4 a, float4 b) { return dot(a, b); }

DEV float f16_to_f32(ushort h) { return (float)as_type<half>(h); }
DEV ushort f32_to_f16(float f) { return as_type<ushort>((half)f); }
DEV float bf16_to_f32(ushort h) { return as_float((uint)h << 16); }
DEV ushort f32_to_bf16(float f) {
  const uint u = as_uint(f);
  return f != f ? (ushort)0x7fff : (ushort)((u + 0x7fffu + (u >> 16 & 1u)) >> 16);
}

DEV int dp4a(int a, int b, int c) {
  for (int i = 0; i < 32; i += 8) c += (int)(char)(a >> i) * (int)(char)(b >> i);
  return c;
}
