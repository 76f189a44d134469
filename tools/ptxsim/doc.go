// Package ptxsim runs PTX text on the processor: the very text that ships, with no GPU.
//
// A grid runs block by block, blocks in parallel over GOMAXPROCS goroutines; within a block the
// warps take turns. A warp is 32 lanes with a program counter each: lanes that stand at the same
// instruction run it together, those at the lowest address first. Instructions that synchronise a
// warp (shfl.sync, vote.sync, mma.sync, bar.sync, …) wait until every member is there, whatever
// order the code lies in.
//
// A launch ends with a Fault, which names PTX line, block and thread, for
//   - an access out of bounds, to freed memory, or not aligned to its size (vectors included);
//   - a read of shared memory that nobody wrote since the block began (data of cp.async counts as
//     written when its wait has passed);
//   - accesses of two threads to the same bytes of shared memory, one of them a write, with no
//     barrier in between, of the warp (bar.warp.sync) for threads of one; lanes of one store that
//     write different values to one place;
//   - accesses of two blocks to the same bytes of global memory in one launch, one of them a write,
//     unless atomic, volatile or with an order (ld.acquire, st.release, …), or with a fence, an
//     atomic, the other block's atomic to the same place and its fence in between (order.go says
//     which races that does not see); a read through the non-coherent cache (ld.global.nc) of what
//     the launch has written;
//   - a barrier that some lanes of a warp do not reach, a barrier or a member mask that waits for
//     threads that never come, an endless loop.
//
// What a real machine does and this one does not: the approximate instructions (ex2.approx,
// rsqrt.approx, …) give the correctly rounded result or one next to it, so tolerances must leave
// room for the machine's error; sums inside mma are taken in float64 and rounded once; every
// memory access is done in order and seen at once; nothing has a duration. Programs are of one
// module, without calls: functions must have been inlined. The instructions are those that
// sm_80 has and compilers and kernels use; Parse refuses all others by line.
package ptxsim
