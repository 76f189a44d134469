// The gated delta rule for chunks of 64 tokens. With G the sum of the log decays
// from the chunk's first token on, D_ij = exp(G_i - G_j) for j <= i, and S the
// state in front of the chunk:
//
//   A_ij = beta_i (k_i·k_j) D_ij, j < i     T = (I + A)⁻¹ diag(beta)     M_ij = (q_i·k_j) D_ij
//   E = T (V - exp(G) K Sᵀ)     O = exp(G) Q Sᵀ + M E     S' = exp(G_63) S + Eᵀ exp(G_63 - G) K
//
// delta_prep finds T and M of all chunks at once; delta_chunk goes from chunk to
// chunk with the state in registers, 16 rows a warp. For a decay a channel, D
// stands inside the dot products, and exp(G) and its like are multiplied to q and
// k beforehand. Tokens behind the last one have k, q, v, beta and g of 0 and
// change nothing. What belongs to a token depends on no later one.
#pragma once
#include "delta.h"
#include "split_mma.h"

constexpr uint chunk = 64;

// Prep is what delta_prep leaves of a chunk, in ushorts: a tile is dense.
template <uint K> struct Prep {
  static constexpr uint keys = 2 * chunk * K, square = 2 * chunk * chunk;
};

// T and M are nothing but zeros above their blocks of 16 rows on the diagonal, and
// those blocks are neither written nor read.
DEV bool in_blocks(uint row, uint col) { return col / 16 <= row / 16; }

// decay factors of a chunk: exp(G) and exp(G_63 - G) by token, or exp(G_63) by channel.
constexpr uint factors = 128;
