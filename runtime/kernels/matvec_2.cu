// Products of up to 2 tokens.
#include "matvec.h"
MATVEC(2)
