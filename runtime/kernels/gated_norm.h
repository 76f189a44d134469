// The norm and gate behind a delta net.
#pragma once

DEV float gated(float x, float w, float z, bool sigmoid) { return x * w * (sigmoid ? k_sigmoid(z) : k_silu(z)); }

// gated_row is y = rms_norm(x)·w · gate(z) for V numbers, by the lanes of a warp.
template <class X>
DEV void gated_row(X x, GLOBAL const float *w, GLOBAL const float *z, GLOBAL float *y, uint V, float eps, bool sigmoid, uint lane) {
  float sum = 0.0f;
  NO_UNROLL for (uint i = lane; i < V; i += 32) sum += x[i] * x[i];
  const float r = k_rsqrt(k_div(simd_sum(sum), (float)V) + eps);
  if (V % 4 == 0) {
    NO_UNROLL for (uint i = 4 * lane; i < V; i += 128) {
      const float4 a = *(GLOBAL const float4 *)(w + i), g = *(GLOBAL const float4 *)(z + i);
      *(GLOBAL float4 *)(y + i) = make_float4(gated(x[i] * r, a.x, g.x, sigmoid), gated(x[i + 1] * r, a.y, g.y, sigmoid),
                                              gated(x[i + 2] * r, a.z, g.z, sigmoid), gated(x[i + 3] * r, a.w, g.w, sigmoid));
    }
  } else {
    NO_UNROLL for (uint i = lane; i < V; i += 32) y[i] = gated(x[i] * r, w[i], z[i], sigmoid);
  }
}
