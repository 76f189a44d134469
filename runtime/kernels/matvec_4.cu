// Products of up to 4 tokens.
#include "matvec.h"
MATVEC(4)
