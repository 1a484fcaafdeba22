/* What sal.h has: https://learn.microsoft.com/en-us/cpp/code-quality/understanding-sal */
#ifndef SSPCACHE_SPECSTRINGS_H
#define SSPCACHE_SPECSTRINGS_H

#include "sal.h"

#endif
