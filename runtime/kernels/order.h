// The order in which numbers are chosen.
#pragma once

// order_of is larger for a larger number, the same for both zeros, and least, 1, for
// what is no number.
DEV uint order_of(float x) {
  const uint u = as_uint(x + 0.0f);
  return x != x ? 1 : u >> 31 ? ~u : u | 0x80000000u;
}
