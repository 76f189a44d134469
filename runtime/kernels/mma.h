// Products of small matrices on tensor cores: C [16 8] += A [16 K] · B [8 K]ᵀ. With
// g = lane/4 and t = lane%4, a lane has of C the elements (g, 2t), (g, 2t+1), (g+8, 2t)
// and (g+8, 2t+1).
#pragma once
#include "async.h"

struct Ints { int a, b, c, d; };

// K = 32 and 16 signed bytes.
DEV void mma_bytes(Ints &c, const uint *a, const uint *b) {
  asm volatile("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
               : "+r"(c.a), "+r"(c.b), "+r"(c.c), "+r"(c.d)
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
DEV void mma_half_bytes(Ints &c, uint a0, uint a1, uint b) {
  asm volatile("mma.sync.aligned.m16n8k16.row.col.s32.s8.s8.s32 {%0,%1,%2,%3}, {%4,%5}, {%6}, {%0,%1,%2,%3};"
               : "+r"(c.a), "+r"(c.b), "+r"(c.c), "+r"(c.d)
               : "r"(a0), "r"(a1), "r"(b));
}

// K = 16 bf16.
DEV void mma_bf16(float *c, const uint *a, const uint *b) {
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
               : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

// Four and two matrices of 8 rows of 16 bytes in shared memory; lane i gives the place
// of row i%8 of matrix i/8.
DEV void load_four(uint *r, const uchar *p) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];" : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(shared_at(p)) : "memory");
}
DEV void load_two(uint *r, const uchar *p) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0,%1}, [%2];" : "=r"(r[0]), "=r"(r[1]) : "r"(shared_at(p)) : "memory");
}

// The 16 rows of 32 bytes at p, stride apart, as A; 8 rows as B.
DEV void load_a(uint *a, const uchar *p, uint stride, uint lane) { load_four(a, p + lane % 16 * stride + lane / 16 * 16); }
DEV void load_b(uint *b, const uchar *p, uint stride, uint lane) { load_two(b, p + lane % 8 * stride + lane / 8 % 2 * 16); }
