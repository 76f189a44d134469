// Products of one token.
#include "matvec.h"
MATVEC(1)
