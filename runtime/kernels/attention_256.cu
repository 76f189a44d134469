// Attention on tensor cores for heads of 256 elements: few columns, whose positions
// warps share out, or many.
#include "attention_mma.h"

ATTEND_MMA(attend_few_256, 256, 256, 1, 4)
ATTEND_MMA(attend_many_256, 256, 256, 2, 1)
