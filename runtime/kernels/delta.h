// What all kernels of the gated delta rule share.
#pragma once

struct DeltaParams {
  uint T, Hk, H, K, V;
  uint qk, v;        // numbers from token to token of q and k, of v
  uint P;            // slots of the pool
  uint decays;       // of a head: 1, or K
  uint raw;          // whether the gates are to be computed
  uint tiled, norm;  // as ops.HeadMap and ops.QKNorm count
  float eps, scale;  // of the norm; of q
  uint tile;         // tokens staged at once
  uint C;            // channels of the convolution
  float normEps;     // of the norm behind the rule
  uint sigmoid;      // whether its gate is one, else silu
};

DEV uint key_head(uint h, uint Hk, uint H, uint tiled) { return tiled ? h%Hk : h/(H/Hk); }

// log1p_exp is ln(1+e^x): the series of 2·atanh(s), s = e/(2+e) <= 1/3.
DEV float softplus(float x) {
  const float e = k_exp(x < 0.0f ? x : -x), s = e*k_rcp(2.0f + e), q = s*s;
  float r = 1.0f/15;
  r = r*q + 1.0f/13;
  r = r*q + 1.0f/11;
  r = r*q + 1.0f/9;
  r = r*q + 1.0f/7;
  r = r*q + 1.0f/5;
  r = r*q + 1.0f/3;
  return 2*s*(r*q + 1.0f) + (x > 0.0f ? x : 0.0f);
}

// inverse_norm is 1 over the norm of a vector whose squares add up to sum.
DEV float inverse_norm(float sum, uint norm, float eps) {
  if (norm == 0) return 1.0f;
  return k_rcp(norm == 1 ? k_sqrt(sum + eps) : k_max(k_sqrt(sum), eps));
}

// log_decay and step are g and beta, of the operands a and b where raw.
DEV float log_decay(float a, GLOBAL const float *dt, GLOBAL const float *A, uint i, uint h, bool raw) {
  return raw ? softplus(a + dt[i])*A[h] : a;
}
DEV float step_size(float b, bool raw) { return raw ? k_sigmoid(b) : b; }
