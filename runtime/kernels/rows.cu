// Rows of a weight by number, as numbers.
#include "quant.h"

// A row of x is units of 32 elements, or of one in a type without blocks; idx has the
// number of each row of y. One out of range gives zeros.
struct LookUpParams { uint units, rows; };

template <class W> DEV void look_up_run(const uchar *x, uint row, float *y, uint to, uint k, const LookUpParams &p) {
  Run r = {};
  const uint runs = W::ELEMS / 32;
  if (row < p.rows) W::run(x + ((ulong64)row * (p.units / runs) + k / runs) * W::BYTES, k % runs, r);
  float4 *at = (float4 *)(y + ((ulong64)to * p.units + k) * 32);
  UNROLL for (int i = 0; i < 32; i += 4)
    at[i / 4] = make_float4(weight_of<W>(r, i), weight_of<W>(r, i + 1), weight_of<W>(r, i + 2), weight_of<W>(r, i + 3));
}
template <class W> DEV void look_up_one(const uchar *x, uint row, float *y, uint to, uint k, const LookUpParams &p) {
  y[(ulong64)to * p.units + k] = row < p.rows ? W::at(x + (ulong64)row * p.units * W::BYTES, k) : 0.0f;
}

#define ROWS(NAME, UNIT, W)                                                                                                 \
  KERNEL(rows_##NAME, 128, BUF(0, const uchar, x), BUF(1, const uint, idx), BUF(2, float, y), PARAMS(3, LookUpParams, p)) { \
    const uint k = BID_Y * 128 + TID_X;                                                                                     \
    if (k < p.units) UNIT<W>(x, idx[BID_X], y, BID_X, k, p);                                                                \
  }
#define ROWS_OF_RUNS(ID, NAME, W) ROWS(NAME, look_up_run, W)
#define ROWS_OF_ONES(ID, NAME, W) ROWS(NAME, look_up_one, W)
BLOCK_WEIGHTS(ROWS_OF_RUNS)
PLAIN_WEIGHTS(ROWS_OF_ONES)
