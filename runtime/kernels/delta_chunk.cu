#include "delta_chunk.h"

SHARED_DYNAMIC(ushort, dynamic);

// load_values begins to copy a chunk's rows of v, 16·W columns of them, and writes
// zeros for tokens that are not there.
template <uint W>
DEV void load_values(float *to, GLOBAL const float *v, uint step, uint n, uint tid) {
  NO_UNROLL for (uint i = tid; i < chunk * 4 * W; i += 32 * W) {
    const uint t = i / (4 * W), c = i % (4 * W) * 4;
    float *at = to + t * (16 * W + 4) + c;
    if (t < n) copy_async(shared_address(at), v + (ulong64)t * step + c);
    else *(float4 *)at = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
  }
}

// delta_chunk takes 16·W rows of a head's state through all chunks. Of the three
// tiles of keys, one decay a head has k twice, for this chunk and the next one,
// and q; a decay a channel has exp(G) k, exp(G) q and exp(G_63 - G) k.
template <uint K, uint W, bool CHANNEL>
DEV void delta_chunk(ushort *shared, GLOBAL const ushort *qs, GLOBAL const ushort *ks, GLOBAL const ushort *us, GLOBAL const ushort *ts,
                     GLOBAL const ushort *ms, GLOBAL const float *fs, GLOBAL const float *v, GLOBAL const int *slots,
                     GLOBAL float *state, GLOBAL float *o, const DeltaParams &p, uint part, uint h, uint seq, uint tid) {
  constexpr uint threads = 32 * W, vstep = 16 * W + 4;
  const uint lane = tid % 32, g = lane / 4, t2 = lane % 4 * 2, chunks = (p.T + chunk - 1) / chunk;
  const uint slot = slots ? (uint)slots[seq] : seq;
  if (slot >= p.P) return;
  const uint first = part * 16 * W, row = first + tid / 32 * 16 + g; // and row + 8
  GLOBAL float *S = state + (((ulong64)slot * p.H + h) * p.V + row) * K + t2;
  const ulong64 at = ((ulong64)seq * p.H + h) * chunks;
  const ulong64 key = CHANNEL ? at : ((ulong64)seq * p.Hk + key_head(h, p.Hk, p.H, p.tiled)) * chunks;
  GLOBAL const float *vs = v + (ulong64)seq * p.T * p.v + h * p.V + first;

  const uint qt = shared_address(shared), kt = qt + Tile<K>::size, ut = kt + Tile<K>::size; // ut is the second tile of k, or of exp(G_63 - G) k
  const uint tt = ut + Tile<K>::size, mt = tt + Tile<chunk>::size;
  float *vt = (float *)((uchar *)shared + 3 * Tile<K>::size + 2 * Tile<chunk>::size), *factor = vt + chunk * vstep; // of two chunks

  // Three groups of copies are begun in turn, each as soon as what it writes over
  // has been read: q and k; T, M, v and factors; exp(G_63 - G) k.
  const auto begin_keys = [&](uint c) {
    if (c < chunks) {
      load_tile<K>(qt, qs + (key + c) * Prep<K>::keys, tid, threads);
      load_tile<K>(CHANNEL || c % 2 == 0 ? kt : ut, ks + (key + c) * Prep<K>::keys, tid, threads);
    }
    copy_commit();
  };
  const auto begin_squares = [&](uint c) {
    if (c < chunks) {
      load_tile<chunk>(tt, ts + (at + c) * Prep<K>::square, tid, threads);
      load_tile<chunk>(mt, ms + (at + c) * Prep<K>::square, tid, threads);
      load_values<W>(vt, vs + (ulong64)c * chunk * p.v, p.v, p.T - c * chunk, tid);
      NO_UNROLL for (uint i = tid; i < factors / 4; i += threads) copy_async(shared_address(factor + c % 2 * factors + 4 * i), fs + (at + c) * factors + 4 * i);
    }
    copy_commit();
  };

  Acc s[K / 8]; // the state
  UNROLL for (uint i = 0; i < K / 8; i++) {
    const float2 x = *(GLOBAL const float2 *)(S + 8 * i), y = *(GLOBAL const float2 *)(S + 8 * K + 8 * i);
    s[i] = Acc{{x.x, x.y, y.x, y.y}};
  }
  begin_keys(0);
  begin_squares(0);
  NO_UNROLL for (uint c = 0; c < chunks; c++) {
    copy_wait();
    BARRIER();
    if (CHANNEL) load_tile<K>(ut, us + (key + c) * Prep<K>::keys, tid, threads);
    copy_commit();
    const uint k = CHANNEL || c % 2 == 0 ? kt : ut;
    Acc e[8], y[8]; // S Kᵀ, S Qᵀ
    UNROLL for (uint i = 0; i < 8; i++) e[i] = y[i] = Acc{};
    UNROLL for (uint i = 0; i < K / 16; i++) {
      const Left x = operand(s[2 * i], s[2 * i + 1]);
      UNROLL for (uint j = 0; j < 4; j++) {
        multiply(e + 2 * j, x, right_transposed<K>(k, 16 * j, 16 * i, lane));
        multiply(y + 2 * j, x, right_transposed<K>(qt, 16 * j, 16 * i, lane));
      }
    }
    copy_wait();
    BARRIER();
    begin_keys(c + 1);
    const float *f = factor + c % 2 * factors, *value = vt + tid / 32 * 16 + g;
    UNROLL for (uint i = 0; i < 8; i++) {
      const uint t = 8 * i + t2;
      UNROLL for (uint j = 0; j < 4; j++) {
        const float decay = CHANNEL ? 1.0f : f[t + j % 2];
        e[i].x[j] = value[(t + j % 2) * vstep + j / 2 * 8] - decay * e[i].x[j];
        y[i].x[j] *= decay;
      }
    }
    Acc x[8]; // Eᵀ
    UNROLL for (uint i = 0; i < 8; i++) x[i] = Acc{};
    UNROLL for (uint i = 0; i < 4; i++) {
      const Left r = operand(e[2 * i], e[2 * i + 1]);
      UNROLL for (uint j = i; j < 4; j++) multiply(x + 2 * j, r, right_transposed<chunk>(tt, 16 * j, 16 * i, lane));
    }
    UNROLL for (uint i = 0; i < 4; i++) {
      const Left r = operand(x[2 * i], x[2 * i + 1]);
      UNROLL for (uint j = i; j < 4; j++) multiply(y + 2 * j, r, right_transposed<chunk>(mt, 16 * j, 16 * i, lane));
    }
    UNROLL for (uint i = 0; i < 8; i++) {
      UNROLL for (uint j = 0; j < 4; j++) {
        const uint t = c * chunk + 8 * i + t2 + j % 2;
        if (t < p.T) o[(((ulong64)seq * p.T + t) * p.H + h) * p.V + row + j / 2 * 8] = y[i].x[j];
      }
    }
    copy_wait();
    BARRIER();
    begin_squares(c + 1);
    UNROLL for (uint i = 0; i < K / 8; i++) {
      UNROLL for (uint j = 0; j < 4; j++) s[i].x[j] *= f[CHANNEL ? 8 * i + t2 + j % 2 : chunk - 1];
    }
    UNROLL for (uint i = 0; i < 4; i++) {
      UNROLL for (uint j = 0; j < 4; j++) {
        x[2 * i].x[j] *= CHANNEL ? 1.0f : f[chunk + 16 * i + t2 + j % 2];
        x[2 * i + 1].x[j] *= CHANNEL ? 1.0f : f[chunk + 16 * i + 8 + t2 + j % 2];
      }
      const Left r = operand(x[2 * i], x[2 * i + 1]);
      UNROLL for (uint j = 0; j < K / 16; j++) multiply(s + 2 * j, r, right<K>(CHANNEL ? ut : k, 16 * i, 16 * j, lane));
    }
  }
  UNROLL for (uint i = 0; i < K / 8; i++) {
    *(GLOBAL float2 *)(S + 8 * i) = make_float2(s[i].x[0], s[i].x[1]);
    *(GLOBAL float2 *)(S + 8 * K + 8 * i) = make_float2(s[i].x[2], s[i].x[3]);
  }
}

#define DELTA_CHUNK(NAME, K, W, CHANNEL) \
KERNEL(NAME, 32 * W, BUF(0, const ushort, qs), BUF(1, const ushort, ks), BUF(2, const ushort, us), BUF(3, const ushort, ts), \
       BUF(4, const ushort, ms), BUF(5, const float, fs), BUF(6, const float, v), BUF(7, const int, slots), BUF(8, float, state), \
       BUF(9, float, o), PARAMS(10, DeltaParams, p)) { \
  delta_chunk<K, W, CHANNEL>(dynamic, qs, ks, us, ts, ms, fs, v, slots, state, o, p, BID_X, BID_Y, BID_Z, TID_X); \
}

DELTA_CHUNK(delta_chunk_128, 128, 2, false)
DELTA_CHUNK(delta_chunk_channels_128, 128, 2, true)
