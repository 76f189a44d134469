// Products of f32 matrices on tensor cores that take bf16: a number is the sum of
// two of them, and three products of the parts leave an error of about 2^-16.
#pragma once
#include "async.h"

// Pair is two numbers, the first one in the low halves.
struct Pair { uint hi, lo; };

DEV Pair split(float x, float y) {
  const uint a = as_uint(x) + 0x8000u, b = as_uint(y) + 0x8000u;
  const uint c = as_uint(x - as_float(a & 0xffff0000u)), d = as_uint(y - as_float(b & 0xffff0000u));
  return Pair{(a >> 16) | (b & 0xffff0000u), (c >> 16) | (d & 0xffff0000u)};
}

// Left is a left operand of 16 rows and 16 columns, Right a right one; Acc is 16 rows and 8 columns of a result: lane 4g+t has the rows g and
// g+8 of the columns 2t and 2t+1.
struct Left { uint hi[4], lo[4]; };
struct Right { uint hi[4], lo[4]; };
struct Acc { float x[4]; };

// operand makes two results side by side a left operand.
DEV Left operand(Acc l, Acc r) {
  const Pair a = split(l.x[0], l.x[1]), b = split(l.x[2], l.x[3]), c = split(r.x[0], r.x[1]), d = split(r.x[2], r.x[3]);
  return Left{{a.hi, b.hi, c.hi, d.hi}, {a.lo, b.lo, c.lo, d.lo}};
}

DEV void mma(Acc &d, const uint *a, const uint *b) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
      : "+f"(d.x[0]), "+f"(d.x[1]), "+f"(d.x[2]), "+f"(d.x[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

// multiply adds a·b to the 16 columns of d[0] and d[1].
DEV void multiply(Acc *d, const Left &a, const Right &b) {
  UNROLL for (uint n = 0; n < 2; n++) {
    mma(d[n], a.lo, b.hi + 2 * n);
    mma(d[n], a.hi, b.lo + 2 * n);
    mma(d[n], a.hi, b.hi + 2 * n);
  }
}

// ldmatrix reads four matrices, at offset, which is a constant once loops are unrolled.
DEV void ldmatrix(uint *r, uint at, uint offset) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4+%5];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(at), "i"(offset));
}
DEV void ldmatrix_transposed(uint *r, uint at, uint offset) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4+%5];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(at), "i"(offset));
}

// A tile in shared memory is 64 rows of N high parts, then 64 of low ones; it is
// known by the address of its first byte. Eight numbers between rows keep the
// eight that ldmatrix reads at once in banks of their own.
template <uint N> struct Tile {
  static constexpr uint stride = 2 * (N + 8), low = 64 * stride, size = 2 * low; // bytes
  static constexpr uint at(uint row, uint col) { return row * stride + 2 * col; }
};

// Where a lane begins to read operands of a tile: as it lies, and transposed, so that
// rows of the tile are columns of a right operand.
template <uint N> DEV uint lane_of(uint tile, uint lane) { return tile + lane % 16 * Tile<N>::stride + lane / 16 * 16; }
template <uint N>
DEV uint lane_of_transposed(uint tile, uint lane) {
  return tile + (lane / 16 * 8 + lane % 8) * Tile<N>::stride + lane / 8 % 2 * 16;
}

// left and right are the operands at a row and column, which are constants.
template <uint N>
DEV Left left(uint from, uint row, uint col) {
  Left a;
  ldmatrix(a.hi, from, Tile<N>::at(row, col));
  ldmatrix(a.lo, from, Tile<N>::at(row, col) + Tile<N>::low);
  return a;
}
template <uint N>
DEV Right right(uint from, uint row, uint col) {
  Right b;
  ldmatrix_transposed(b.hi, from, Tile<N>::at(row, col));
  ldmatrix_transposed(b.lo, from, Tile<N>::at(row, col) + Tile<N>::low);
  return b;
}
template <uint N>
DEV Right right_transposed(uint from, uint row, uint col) {
  Right b;
  ldmatrix(b.hi, from, Tile<N>::at(row, col));
  ldmatrix(b.lo, from, Tile<N>::at(row, col) + Tile<N>::low);
  return b;
}

// store_split writes two numbers as parts, the low ones so many ushorts behind the high ones.
DEV void store_split(ushort *p, uint apart, float x, float y) {
  const Pair s = split(x, y);
  *(uint *)p = s.hi;
  *(uint *)(p + apart) = s.lo;
}

// copy_async begins to copy 16 bytes, both addresses so many bytes further on, which
// are constants once loops are unrolled.
DEV void copy_async(uint to, uint to_offset, GLOBAL const void *from, uint from_offset) {
  asm volatile("cp.async.cg.shared.global [%0+%2], [%1+%3], 16;" ::"r"(to), "l"(from), "i"(to_offset), "i"(from_offset) : "memory");
}
// load_tile begins to copy a tile that lies dense in global memory.
template <uint N, uint THREADS>
DEV void load_tile(uint tile, GLOBAL const ushort *from, uint tid) {
  constexpr uint pieces = N / 8, rows = THREADS / pieces; // of a row; at once
  const uint to = tile + Tile<N>::at(tid / pieces, tid % pieces * 8);
  UNROLL for (uint i = 0; i < 128 / rows; i++) copy_async(to, Tile<N>::at(i * rows, 0), from + 8 * tid, 16 * i * THREADS);
}
