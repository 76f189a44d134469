// The last block of several that work on one thing goes on with what all of them have
// left, or takes care of what none may touch before all have seen it. What blocks leave
// each other is written and read as volatile.
#pragma once

// last_of tells all threads of a block whether n-1 others have been here before. The
// ticket is 0 before the first one and after the last one.
DEV bool last_of(uint *ticket, uint n, SHARED uint *last) {
  BARRIER();
  if (TID_X == 0) {
    __nvvm_membar_gl();
    *last = __nvvm_atom_inc_gen_ui(ticket, n - 1) == n - 1;
    __nvvm_membar_gl();
  }
  BARRIER();
  return *last != 0;
}
