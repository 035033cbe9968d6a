/* stdlib.h - for lwIP, which includes libc's name. */
#include "kstring.h"
