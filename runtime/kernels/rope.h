// By what angles rotary embeddings turn pairs of elements.
#pragma once

// A position turns pair j by turn[j]·2^-64 of a whole turn, so that a product
// modulo 2^64 is the angle without its whole turns, however far the position.
// stream has two bits a pair: which of a token's positions turns it.
struct RopeTable { ulong64 turn[128]; uint stream[8], pairs, streams, adjacent, none; };

// Cosine and sine of the angle of pair j for a token.
DEV float2 rope_angle(PASSED(RopeTable) r, GLOBAL const int *pos, uint token, uint j) {
  const uint stream = r.stream[j / 16] >> (j % 16 * 2) & 3;
  const ulong64 angle = (ulong64)pos[(ulong64)token * r.streams + stream] * r.turn[j];
  const ulong64 quadrant = (angle + (1ull << 61)) >> 62;
  const float x = (float)(long)(angle - (quadrant << 62)) * 3.4061215800304e-19f, y = x * x; // 2π / 2^64
  const float s = x + x * y * (-1.0f / 6 + y * (1.0f / 120 + y * (-1.0f / 5040 + y * (1.0f / 362880))));
  const float c = 1.0f - 0.5f * y + y * y * (1.0f / 24 + y * (-1.0f / 720 + y * (1.0f / 40320 - y * (1.0f / 3628800))));
  const float a = quadrant & 1 ? s : c, b = quadrant & 1 ? c : s;
  return make_float2(quadrant == 1 || quadrant == 2 ? -a : a, quadrant >= 2 ? -b : b);
}

// The elements that turn together.
DEV uint rope_first(PASSED(RopeTable) r, uint j) { return r.adjacent ? 2 * j : j; }
DEV uint rope_second(PASSED(RopeTable) r, uint j) { return r.adjacent ? 2 * j + 1 : j + r.pairs; }
