/* The parts of <windows.h> that this library has. */
#ifndef SSPCACHE_WINDOWS_H
#define SSPCACHE_WINDOWS_H

#include "sspcache/base.h"

#include "errhandlingapi.h"
#include "handleapi.h"
#include "libloaderapi.h"
#include "winbase.h"
#include "winerror.h"

#endif
