// Attention on tensor cores for heads of 64 elements: few columns, whose positions
// warps share out, or many.
#include "attention_mma.h"

ATTEND_MMA(attend_few_64, 64, 64, 1, 4)
ATTEND_MMA(attend_many_64, 64, 64, 2, 1)
