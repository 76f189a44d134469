#include "delta_chunk.h"

SHARED_DYNAMIC(ushort, dynamic);

DEV float4 as_float4(Acc a) { return make_float4(a.x[0], a.x[1], a.x[2], a.x[3]); }
DEV Acc pick(bool one, Acc a, Acc b) {
  return Acc{{one ? a.x[0] : b.x[0], one ? a.x[1] : b.x[1], one ? a.x[2] : b.x[2], one ? a.x[3] : b.x[3]}};
}
DEV Acc plus(Acc a, float4 b) { return Acc{{a.x[0] + b.x, a.x[1] + b.y, a.x[2] + b.z, a.x[3] + b.w}}; }

// load_square begins to copy T or M: 16 rows at once, of high parts and then of low ones.
DEV void load_square(uint tile, GLOBAL const ushort *from, uint tid) {
  const uint c = tid % 8 * 8, to = tile + Tile<chunk>::at(tid / 8, c);
  UNROLL for (uint i = 0; i < 8; i++)
    if (in_blocks(16 * (i % 4), c)) copy_async(to, Tile<chunk>::at(16 * i, 0), from + 8 * tid, 16 * i * 128);
}

// delta_chunk takes 32 rows of a head's state through all chunks: two warps have
// 16 rows, each of them half the channels. They add up what each has found of a dot
// product; E both compute, and the output of half the tokens.
//
// Of the three tiles of keys, one decay a head has k twice, for this chunk and the
// next one, and q; a decay a channel has exp(G) k, exp(G) q and exp(G_63 - G) k.
template <uint K, bool CHANNEL>
DEV void delta_chunk(ushort *shared, GLOBAL const ushort *qs, GLOBAL const ushort *ks, GLOBAL const ushort *us, GLOBAL const ushort *ts,
                     GLOBAL const ushort *ms, GLOBAL const float *fs, GLOBAL const float *v, GLOBAL const int *slots,
                     GLOBAL float *state, GLOBAL float *o, const DeltaParams &p, uint part, uint h, uint seq, uint tid) {
  const uint lane = tid % 32, g = lane / 4, t2 = lane % 4 * 2, chunks = (p.T + chunk - 1) / chunk;
  const uint warp = tid / 32, half = warp % 2, channel = half * (K / 2), first = half * (chunk / 2); // channels, tokens
  const uint slot = slots ? (uint)slots[seq] : seq;
  if (slot >= p.P) return;
  const uint row = part * 32 + warp / 2 * 16 + g; // and row + 8
  GLOBAL float *S = state + (((ulong64)slot * p.H + h) * p.V + row) * K + channel + t2;
  const ulong64 at = ((ulong64)seq * p.H + h) * chunks;
  const ulong64 key = CHANNEL ? at : ((ulong64)seq * p.Hk + key_head(h, p.Hk, p.H, p.tiled)) * chunks;

  const uint qt = shared_at(shared), kt = qt + Tile<K>::size, ut = kt + Tile<K>::size; // ut is the second tile of k, or of exp(G_63 - G) k
  const uint tt = ut + Tile<K>::size, mt = tt + Tile<chunk>::size;
  float *factor = (float *)((uchar *)shared + 3 * Tile<K>::size + 2 * Tile<chunk>::size); // of two chunks
  float4 *sums = (float4 *)(factor + 2 * factors) + lane, *outs = sums + 4 * 8 * 32;      // of each warp, for its partner

  // Three groups of copies are begun in turn, each as soon as what it writes over
  // has been read: q, k and factors; T and M; exp(G_63 - G) k.
  const auto begin_keys = [&](uint c) {
    if (c < chunks) {
      load_tile<K, 128>(qt, qs + (key + c) * Prep<K>::keys, tid);
      load_tile<K, 128>(CHANNEL || c % 2 == 0 ? kt : ut, ks + (key + c) * Prep<K>::keys, tid);
      if (tid < factors / 4) copy_async(shared_at(factor + c % 2 * factors + 4 * tid), 0, fs + (at + c) * factors + 4 * tid, 0);
    }
    commit_copies();
  };
  const auto begin_squares = [&](uint c) {
    if (c < chunks) {
      load_square(tt, ts + (at + c) * Prep<K>::square, tid);
      load_square(mt, ms + (at + c) * Prep<K>::square, tid);
    }
    commit_copies();
  };

  Acc s[K / 16]; // the state
  UNROLL for (uint i = 0; i < K / 16; i++) {
    const float2 x = *(GLOBAL const float2 *)(S + 8 * i), y = *(GLOBAL const float2 *)(S + 8 * K + 8 * i);
    s[i] = Acc{{x.x, x.y, y.x, y.y}};
  }
  begin_keys(0);
  begin_squares(0);
  NO_UNROLL for (uint c = 0; c < chunks; c++) {
    // Of its half of the tokens, a lane has two neighbours in each of four eights.
    const ulong64 token = (ulong64)seq * p.T + c * chunk + first + t2;
    const uint left = p.T - c * chunk, n = left < first + t2 ? 0 : left - first - t2; // tokens there are from that one on
    Acc value[4];
    UNROLL for (uint i = 0; i < 4; i++) {
      UNROLL for (uint j = 0; j < 4; j++)
        value[i].x[j] = 8 * i + j % 2 < n ? v[(token + 8 * i + j % 2) * p.v + h * p.V + row + j / 2 * 8] : 0.0f;
    }
    wait_copies<1>();
    BARRIER();
    if (CHANNEL) load_tile<K, 128>(ut, us + (key + c) * Prep<K>::keys, tid);
    commit_copies();
    const uint k = (CHANNEL || c % 2 == 0 ? kt : ut) + Tile<K>::at(0, channel), u = CHANNEL ? ut + Tile<K>::at(0, channel) : k;
    const float *f = factor + c % 2 * factors;
    Acc e[8], y[8]; // S Kᵀ and S Qᵀ
    UNROLL for (uint i = 0; i < 8; i++) e[i] = y[i] = Acc{};
    const uint kl = lane_of_transposed<K>(k, lane), ql = lane_of_transposed<K>(qt + Tile<K>::at(0, channel), lane);
    UNROLL for (uint i = 0; i < K / 32; i++) {
      const Left x = operand(s[2 * i], s[2 * i + 1]);
      UNROLL for (uint j = 0; j < 4; j++) {
        multiply(e + 2 * j, x, right_transposed<K>(kl, 16 * j, 16 * i));
        multiply(y + 2 * j, x, right_transposed<K>(ql, 16 * j, 16 * i));
      }
    }
    UNROLL for (uint i = 0; i < 8; i++) {
      UNROLL for (uint j = 0; j < 4; j++) {
        const float decay = CHANNEL ? 1.0f : f[8 * i + t2 + j % 2];
        e[i].x[j] = (i / 4 == half ? value[i % 4].x[j] : 0.0f) - decay * e[i].x[j];
        y[i].x[j] *= decay;
      }
      sums[(warp * 8 + i) * 32] = as_float4(e[i]);
    }
    UNROLL for (uint i = 0; i < 4; i++) outs[(warp * 4 + i) * 32] = as_float4(pick(half, y[i], y[4 + i]));
    wait_copies<1>();
    BARRIER();
    begin_keys(c + 1);
    UNROLL for (uint i = 0; i < 8; i++) e[i] = plus(e[i], sums[((warp ^ 1) * 8 + i) * 32]);
    UNROLL for (uint i = 0; i < 4; i++) y[i] = plus(pick(half, y[4 + i], y[i]), outs[((warp ^ 1) * 4 + i) * 32]); // of its half
    const uint tl = lane_of_transposed<chunk>(tt, lane), ml = lane_of_transposed<chunk>(mt + Tile<chunk>::at(first, 0), lane);
    Acc x[8]; // Eᵀ
    UNROLL for (uint i = 0; i < 8; i++) x[i] = Acc{};
    UNROLL for (uint i = 0; i < 4; i++) {
      const Left r = operand(e[2 * i], e[2 * i + 1]);
      UNROLL for (uint j = i; j < 4; j++) multiply(x + 2 * j, r, right_transposed<chunk>(tl, 16 * j, 16 * i));
    }
    UNROLL for (uint i = 0; i < 4; i++) {
      const Left r = operand(x[2 * i], x[2 * i + 1]);
      UNROLL for (uint j = 0; j < 2; j++)
        if (16 * i < first + 16 * j + 16) multiply(y + 2 * j, r, right_transposed<chunk>(ml, 16 * j, 16 * i));
    }
    UNROLL for (uint i = 0; i < 4; i++) {
      UNROLL for (uint j = 0; j < 4; j++)
        if (8 * i + j % 2 < n) o[((token + 8 * i + j % 2) * p.H + h) * p.V + row + j / 2 * 8] = y[i].x[j];
    }
    wait_copies<1>();
    BARRIER();
    begin_squares(c + 1);
    UNROLL for (uint i = 0; i < K / 16; i++) {
      UNROLL for (uint j = 0; j < 4; j++) s[i].x[j] *= f[CHANNEL ? channel + 8 * i + t2 + j % 2 : chunk - 1];
    }
    const uint ul = lane_of<K>(u, lane);
    UNROLL for (uint i = 0; i < 4; i++) {
      UNROLL for (uint j = 0; j < 4; j++) {
        x[2 * i].x[j] *= CHANNEL ? 1.0f : f[chunk + 16 * i + t2 + j % 2];
        x[2 * i + 1].x[j] *= CHANNEL ? 1.0f : f[chunk + 16 * i + 8 + t2 + j % 2];
      }
      const Left r = operand(x[2 * i], x[2 * i + 1]);
      UNROLL for (uint j = 0; j < K / 32; j++) multiply(s + 2 * j, r, right<K>(ul, 16 * i, 16 * j));
    }
  }
  UNROLL for (uint i = 0; i < K / 16; i++) {
    *(GLOBAL float2 *)(S + 8 * i) = make_float2(s[i].x[0], s[i].x[1]);
    *(GLOBAL float2 *)(S + 8 * K + 8 * i) = make_float2(s[i].x[2], s[i].x[3]);
  }
}

#define DELTA_CHUNK(NAME, K, CHANNEL) \
KERNEL(NAME, 128, BUF(0, const ushort, qs), BUF(1, const ushort, ks), BUF(2, const ushort, us), BUF(3, const ushort, ts), \
       BUF(4, const ushort, ms), BUF(5, const float, fs), BUF(6, const float, v), BUF(7, const int, slots), BUF(8, float, state), \
       BUF(9, float, o), PARAMS(10, DeltaParams, p)) { \
  delta_chunk<K, CHANNEL>(dynamic, qs, ks, us, ts, ms, fs, v, slots, state, o, p, BID_X, BID_Y, BID_Z, TID_X); \
}

DELTA_CHUNK(delta_chunk_128, 128, false)
DELTA_CHUNK(delta_chunk_channels_128, 128, true)
