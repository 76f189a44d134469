// The last block of several that work on one thing goes on with what all of them have
// left, or takes care of what none may touch before all have seen it.
#pragma once

DEV void fence() { asm volatile("fence.acq_rel.gpu;" ::: "memory"); }

// take is for one thread of a block, behind a barrier: it tells whether n-1 other blocks
// have taken the ticket, which is 0 before the first one and after the last one.
DEV bool take(uint *ticket, uint n) {
  fence();
  return __nvvm_atom_inc_gen_ui(ticket, n - 1) == n - 1;
}

// last_of tells all threads of a block what take tells one.
DEV bool last_of(uint *ticket, uint n, SHARED uint *last) {
  BARRIER();
  if (TID_X == 0) {
    *last = take(ticket, n);
    fence();
  }
  BARRIER();
  return *last != 0;
}
