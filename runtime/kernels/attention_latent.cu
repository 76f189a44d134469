// Attention on tensor cores to a latent: keys of 576 elements, of which 512 are the
// value.
// A block may have all registers of a multiprocessor: without them it spills.
#define ATTEND_BLOCK 128, 1
#include "attention_mma.h"

ATTEND_MMA(attend_latent_576_512, 576, 512, 1, 1)
