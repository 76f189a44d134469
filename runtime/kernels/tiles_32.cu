// Products of 32 tokens at a time with every type in blocks.
#include "tiles.h"
#define TYPE(ID, NAME, W) TILES(32, NAME, W)
BLOCK_WEIGHTS(TYPE)
