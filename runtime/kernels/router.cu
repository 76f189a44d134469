// Choosing experts: scores by a warp for ROWS experts and TOKENS tokens; the last block
// that has any for a token chooses, with a warp a token.
#include "order.h"
#include "quant.h"
#include "ticket.h"

// Eight weights or one at a time of a row without blocks, or 32 of a block format, and
// the address of row i.
template <class W> struct Eight {
  static const int ELEMS = 8;
  DEV ulong64 bytes(uint K) { return (ulong64)K * W::BYTES; }
  DEV void read(const uchar *row, uint i, float *v) { W::eight(row, 8 * i, v); }
};
template <class W> struct One {
  static const int ELEMS = 1;
  DEV ulong64 bytes(uint K) { return (ulong64)K * W::BYTES; }
  DEV void read(const uchar *row, uint i, float *v) { v[0] = W::at(row, i); }
};
template <class W> struct Unpacked {
  static const int ELEMS = 32;
  DEV ulong64 bytes(uint K) { return (ulong64)(K / W::ELEMS) * W::BYTES; }
  DEV void read(const uchar *row, uint i, float *v) {
    Run r;
    W::run(row + (ulong64)(i / (W::ELEMS / 32)) * W::BYTES, i % (W::ELEMS / 32), r);
    UNROLL for (int j = 0; j < 32; j++) v[j] = weight_of<W>(r, j);
  }
};

// N floats, 4 of them from 16 bytes.
template <int N> DEV void load(const float *x, float *v) {
  if (N == 4) {
    const float4 a = *(const float4 *)x;
    v[0] = a.x, v[1] = a.y, v[2] = a.z, v[3] = a.w;
  } else {
    v[0] = x[0];
  }
}

// y [N stride] from column at on is x [N K] times w [E K]. With norm [K] the rows of x
// are normalised first: that is a factor for all products of a row. The last row of w
// may lie elsewhere, at tail.
struct ScoreParams { uint N, E, K, stride, at; float eps; };

// What is chosen of E scores: softmax, or sigmoid with a bias for the choice alone. The
// score behind them is that of the shared expert's gate, where there is one.
#define MOST_EXPERTS 512
struct ChooseParams { uint E, U; float low, high, scale; };
struct RouterParams { ScoreParams scores; ChooseParams choice; };

template <class R, int ROWS, int TOKENS>
DEV void scores(const float *x, const float *norm, const uchar *w, const uchar *tail, float *y, const ScoreParams &p) {
  const int SOME = R::ELEMS % 4 == 0 ? 4 : 1, AHEAD = ROWS * TOKENS == 1 && R::ELEMS < 32 ? 4 : 1;
  const uint lane = TID_X % 32, row = (BID_X * 4 + TID_X / 32) * ROWS, token = BID_Y * TOKENS, E = p.E + (tail ? 1 : 0);
  if (row >= E) return;
  const uchar *from[ROWS];
  const float *xs[TOKENS];
  UNROLL for (int r = 0; r < ROWS; r++) { // rows that are not there stand for the last one
    const uint e = row + r < E ? row + r : E - 1;
    from[r] = e == p.E ? tail : w + e * R::bytes(p.K);
  }
  UNROLL for (int t = 0; t < TOKENS; t++) xs[t] = x + (ulong64)(token + t < p.N ? token + t : p.N - 1) * p.K;
  float sum[ROWS][TOKENS] = {}, squares[TOKENS] = {};
  // One row is read by few warps: four loads at a time keep the memory busy.
#pragma unroll AHEAD
  for (uint i = lane; i < p.K / R::ELEMS; i += 32) {
    float v[ROWS][R::ELEMS];
    UNROLL for (int r = 0; r < ROWS; r++) R::read(from[r], i, v[r]);
    UNROLL for (int from = 0; from < R::ELEMS; from += SOME) {
      float by[4] = {1.0f, 1.0f, 1.0f, 1.0f}, a[4];
      if (norm) load<SOME>(norm + i * R::ELEMS + from, by);
      UNROLL for (int t = 0; t < TOKENS; t++) {
        load<SOME>(xs[t] + i * R::ELEMS + from, a);
        UNROLL for (int j = 0; j < SOME; j++) {
          squares[t] = k_fma(a[j], a[j], squares[t]);
          UNROLL for (int r = 0; r < ROWS; r++) sum[r][t] = k_fma(v[r][from + j], a[j] * by[j], sum[r][t]);
        }
      }
    }
  }
  UNROLL for (int t = 0; t < TOKENS; t++) {
    const float r = norm ? k_rsqrt(k_div(simd_sum(squares[t]), (float)p.K) + p.eps) : 1.0f;
    UNROLL for (int e = 0; e < ROWS; e++) {
      const float s = simd_sum(sum[e][t]) * r;
      if (lane == 0 && row + e < E && token + t < p.N) y[(ulong64)(token + t) * p.stride + p.at + row + e] = s;
    }
  }
}

// The experts of a token by its scores. A lane looks after every 32nd one, in memory for
// their shares and for their order, in which 0 is one that cannot be chosen any more.
DEV void choose(const float *row, const float *bias, SHARED float *share, SHARED uint *order, int *experts, float *weights,
                float *gate, uint token, const ChooseParams &p) {
  const uint lane = LANE;
  float most = -as_float(0x7f800000u), sum = 0.0f;
  NO_UNROLL for (uint e = lane; e < p.E; e += 32) {
    share[e] = row[e];
    most = k_max(most, share[e]);
  }
  if (!bias) {
    most = simd_max(most);
    NO_UNROLL for (uint e = lane; e < p.E; e += 32) {
      share[e] = k_exp(share[e] - most);
      sum += share[e];
    }
    sum = simd_sum(sum);
  }
  NO_UNROLL for (uint e = lane; e < p.E; e += 32) {
    share[e] = bias ? k_sigmoid(share[e]) : k_div(share[e], sum);
    order[e] = order_of(bias ? share[e] + bias[e] : share[e]);
  }
  SIMD_BARRIER();
  float mine = 0.0f, total = 0.0f; // lane u has the share of the choice u
  int chosen = 0;
  NO_UNROLL for (uint u = 0; u < p.U; u++) {
    uint best = 0, at = 0;
#pragma unroll 4
    for (uint e = lane; e < p.E; e += 32)
      if (order[e] > best) best = order[e], at = e;
    UNROLL for (uint m = 16; m; m >>= 1) {
      const uint other = simd_shuffle_xor_uint(best, m), where = simd_shuffle_xor_uint(at, m);
      if (other > best || (other == best && where < at)) best = other, at = where;
    }
    if (at % 32 == lane) order[at] = 0;
    const float s = share[at];
    if (u == lane) chosen = (int)at, mine = s;
    total += s;
  }
  total = total != total ? total : k_min(k_max(total, p.low), p.high);
  if (lane < p.U) {
    experts[token * p.U + lane] = chosen;
    weights[token * p.U + lane] = k_div(mine, total) * p.scale;
  }
  if (gate && lane == 0) gate[token] = k_sigmoid(row[p.E]);
}

// Without a ticket scores are all there is to do: other ones follow in another launch.
#define SCORES(name, R, ROWS, TOKENS)                                                                      \
  KERNEL(name, 128, BUF(0, const float, x), BUF(1, const float, norm), BUF(2, const uchar, w),             \
         BUF(3, const uchar, tail), BUF(4, float, y), BUF(5, const float, bias), BUF(6, int, experts),     \
         BUF(7, float, weights), BUF(8, float, gate), BUF(9, uint, tickets), PARAMS(10, RouterParams, p)) { \
    SHARED float share[TOKENS * MOST_EXPERTS];                                                             \
    SHARED uint order[TOKENS * MOST_EXPERTS];                                                              \
    SHARED uint last;                                                                                      \
    scores<R, ROWS, TOKENS>(x, norm, w, tail, y, p.scores);                                                \
    if (!tickets || !last_of(tickets + BID_Y, GDIM_X, &last)) return;                                      \
    const uint warp = TID_X / 32, token = BID_Y * TOKENS + warp;                                           \
    if (warp < TOKENS && token < p.scores.N)                                                                   \
      choose(y + (ulong64)token * p.scores.stride, bias, share + warp * MOST_EXPERTS, order + warp * MOST_EXPERTS,    \
             experts, weights, gate, token, p.choice);                                                            \
  }
#define OF_BLOCKS(id, type, W) SCORES(router_scores_##type, Unpacked<W>, 1, 1)
#define PLAIN(id, type, W)                                \
  SCORES(router_scores_##type, Eight<W>, 1, 1)            \
  SCORES(router_scores_##type##_many, Eight<W>, 4, 4)     \
  SCORES(router_scores_##type##_any, One<W>, 1, 1)
BLOCK_WEIGHTS(OF_BLOCKS)
PLAIN_WEIGHTS(PLAIN)
