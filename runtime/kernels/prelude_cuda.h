// What the kernels' dialect means to clang for NVIDIA's PTX, without a toolkit.
// Every file is compiled with this one in front.
#pragma once

typedef unsigned int uint;
typedef unsigned char uchar;
typedef signed char schar;
typedef unsigned short ushort;
typedef unsigned long long ulong64;
typedef float float2 __attribute__((ext_vector_type(2)));
typedef float float4 __attribute__((ext_vector_type(4)));
typedef int int2 __attribute__((ext_vector_type(2)));
typedef int int4 __attribute__((ext_vector_type(4)));
typedef uint uint2 __attribute__((ext_vector_type(2)));
typedef uint uint4 __attribute__((ext_vector_type(4)));
typedef ushort ushort2 __attribute__((ext_vector_type(2)));
typedef ushort ushort4 __attribute__((ext_vector_type(4)));

#define __global__ __attribute__((global))
#define __device__ __attribute__((device))
#define __shared__ __attribute__((shared))
#define __constant__ __attribute__((constant))

#define DEV static __attribute__((device)) __attribute__((always_inline))
#define GLOBAL
#define SHARED __shared__
// Dynamic shared memory, as much as the launch asks for.
#define SHARED_DYNAMIC(T, name) extern __shared__ __attribute__((aligned(16))) T name[]
#define CONST_TABLE static __constant__ const

// KERNEL(name, most threads of a block, BUF(0, T, x), …, PARAMS(n, S, p)) { … }
#define KERNEL(name, maxthreads, ...) \
  extern "C" __global__ __attribute__((launch_bounds(maxthreads))) void name(__VA_ARGS__)
#define BUF(n, T, name) T *__restrict__ name
#define BUF_ALIASED(n, T, name) T *name // may lie over another buffer
#define PARAMS(n, T, name) const T name
#define PASSED(T) const T & // the parameters, handed on to a function

#define TID_X __nvvm_read_ptx_sreg_tid_x()
#define TID_Y __nvvm_read_ptx_sreg_tid_y()
#define TID_Z __nvvm_read_ptx_sreg_tid_z()
#define BID_X __nvvm_read_ptx_sreg_ctaid_x()
#define BID_Y __nvvm_read_ptx_sreg_ctaid_y()
#define BID_Z __nvvm_read_ptx_sreg_ctaid_z()
#define BDIM_X __nvvm_read_ptx_sreg_ntid_x()
#define BDIM_Y __nvvm_read_ptx_sreg_ntid_y()
#define GDIM_X __nvvm_read_ptx_sreg_nctaid_x()
#define LANE __nvvm_read_ptx_sreg_laneid()
#define BARRIER() __nvvm_bar_sync(0)
#define SIMD_BARRIER() __nvvm_bar_warp_sync(0xffffffffu)
#define UNROLL _Pragma("unroll")
#define NO_UNROLL _Pragma("nounroll")

DEV float as_float(uint x) { return __builtin_bit_cast(float, x); }
DEV uint as_uint(float x) { return __builtin_bit_cast(uint, x); }

DEV float simd_shuffle_one(float v, uint lane) { return __nvvm_shfl_sync_idx_f32(0xffffffffu, v, lane, 31); }
DEV uint simd_shuffle_uint(uint v, uint lane) { return (uint)__nvvm_shfl_sync_idx_i32(0xffffffffu, (int)v, lane, 31); }
DEV float simd_shuffle_xor(float v, uint m) { return __nvvm_shfl_sync_bfly_f32(0xffffffffu, v, m, 31); }
DEV uint simd_shuffle_xor_uint(uint v, uint m) { return (uint)__nvvm_shfl_sync_bfly_i32(0xffffffffu, (int)v, m, 31); }
DEV float simd_shuffle_up(float v, uint n) { return __nvvm_shfl_sync_up_f32(0xffffffffu, v, n, 0); }

DEV float k_max(float a, float b) { return __nvvm_fmax_f(a, b); } // the number, where one is NaN
DEV float k_min(float a, float b) { return __nvvm_fmin_f(a, b); }
DEV float k_abs(float x) { return __nvvm_fabs_f(x); }
DEV float k_fma(float a, float b, float c) { return __nvvm_fma_rn_f(a, b, c); }
DEV float k_rint(float x) { return __builtin_rintf(x); }
DEV float k_div(float a, float b) { return __nvvm_div_rn_f(a, b); }
DEV float k_rcp(float x) { return __nvvm_rcp_rn_f(x); }
DEV float k_sqrt(float x) { return __nvvm_sqrt_rn_f(x); }
DEV float k_rsqrt(float x) { return k_rcp(k_sqrt(x)); }
DEV float k_rsqrt_fast(float x) { return __nvvm_rsqrt_approx_f(x); } // 2 ulp
DEV float k_exp2_fast(float x) { return __nvvm_ex2_approx_f(x); }    // 2 ulp
DEV float k_log2_fast(float x) { return __nvvm_lg2_approx_f(x); }

// e^x within about 2 ulp: 2^n·e^r with x = n·ln 2 + r (Cody and Waite's two steps).
DEV float k_exp(float x) {
  const float c = k_min(k_max(x, -200.0f), 200.0f), n = k_rint(c * 1.4426950408889634f);
  float r = k_fma(n, -0.693145752f, c);
  r = k_fma(n, -1.42860677e-6f, r);
  // 2^n in two factors, so that results near the ends of the range come out.
  const float half = k_rint(n * 0.5f);
  const float y = k_exp2_fast(half) * (k_exp2_fast(n - half) * k_exp2_fast(r * 1.4426950408889634f));
  return x != x ? x : y;
}

DEV float k_sigmoid(float x) { return k_rcp(1.0f + k_exp(-x)); }
DEV float k_silu(float x) { return k_div(x, 1.0f + k_exp(-x)); }

DEV float simd_sum(float v) {
  UNROLL for (int m = 16; m; m >>= 1) v += simd_shuffle_xor(v, m);
  return v;
}
DEV float simd_max(float v) {
  UNROLL for (int m = 16; m; m >>= 1) v = k_max(v, simd_shuffle_xor(v, m));
  return v;
}

DEV float2 make_float2(float a, float b) { return (float2){a, b}; }
DEV float4 make_float4(float a, float b, float c, float d) { return (float4){a, b, c, d}; }
DEV float dot4(float4 a, float4 b) { return a.x * b.x + a.y * b.y + a.z * b.z + a.w * b.w; }

// Storage formats.
DEV float f16_to_f32(ushort h) { return (float)__builtin_bit_cast(_Float16, h); }
DEV ushort f32_to_f16(float f) { return __builtin_bit_cast(ushort, (_Float16)f); }
DEV float bf16_to_f32(ushort h) { return as_float((uint)h << 16); }
DEV ushort f32_to_bf16(float f) {
  ushort r;
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(r) : "f"(f));
  return r;
}

// Sum of four products of signed bytes, added to c.
DEV int dp4a(int a, int b, int c) {
  int r;
  asm("dp4a.s32.s32 %0, %1, %2, %3;" : "=r"(r) : "r"(a), "r"(b), "r"(c));
  return r;
}

// Byte i of the result is the byte of b:a, from 0 to 7, that half i of order says. Bit 3
// of each half must be 0.
DEV uint permute_bytes(uint a, uint b, uint order) { return (uint)__nvvm_prmt((int)a, (int)b, (int)order); }
