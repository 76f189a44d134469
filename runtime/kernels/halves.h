// Elements of a type as numbers.
#pragma once

DEV void put(GLOBAL float *to, ulong64 i, float v) { to[i] = v; }
DEV void put(GLOBAL ushort *to, ulong64 i, float v) { to[i] = f32_to_f16(v); }
DEV float get(GLOBAL const float *from, ulong64 i) { return from[i]; }
DEV float get(GLOBAL const ushort *from, ulong64 i) { return f16_to_f32(from[i]); }
