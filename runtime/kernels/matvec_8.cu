// Products of up to 8 tokens.
#include "matvec.h"
MATVEC(8)
