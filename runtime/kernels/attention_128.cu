// Attention on tensor cores for heads of 128 elements: few columns, whose positions
// warps share out, or many.
#include "attention_mma.h"

ATTEND_MMA(attend_few_128, 128, 128, 1, 4)
ATTEND_MMA(attend_many_128, 128, 128, 2, 1)
