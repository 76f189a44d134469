// Copies from global to shared memory that go on while the warp computes.
#pragma once

// A place in shared memory as instructions of this file name it.
DEV uint shared_at(const void *p) { return (uint)(ulong64)(__attribute__((address_space(3))) const void *)p; }

// 16 bytes between multiples of 16, of which those from bytes on become 0.
DEV void copy_async(uint to, const void *from, uint bytes) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" : : "r"(to), "l"(from), "r"(bytes) : "memory");
}
DEV void commit_copies() { asm volatile("cp.async.commit_group;" : : : "memory"); }
// Waits for all but the N groups that were committed last.
template <int N> DEV void wait_copies() { asm volatile("cp.async.wait_group %0;" : : "n"(N) : "memory"); }

// Has the line of 128 bytes brought to the L2 cache.
DEV void prefetch(const void *p) { asm volatile("prefetch.global.L2 [%0];" : : "l"(p)); }
