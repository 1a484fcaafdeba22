/* What windef.h has: https://learn.microsoft.com/en-us/windows/win32/api/minwindef/ */
#ifndef SSPCACHE_MINWINDEF_H
#define SSPCACHE_MINWINDEF_H

#include "windef.h"

#endif
