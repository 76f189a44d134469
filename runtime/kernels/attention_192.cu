// Attention on tensor cores for heads of 192 elements: few columns, whose positions
// warps share out, or many.
#include "attention_mma.h"

ATTEND_MMA(attend_few_192, 192, 192, 1, 4)
ATTEND_MMA(attend_many_192, 192, 192, 2, 1)
