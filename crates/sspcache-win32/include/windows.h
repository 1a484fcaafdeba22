/* The parts of <windows.h> that this library has. */
#ifndef SSPCACHE_WINDOWS_H
#define SSPCACHE_WINDOWS_H

#include "sspcache/base.h"

#include "debugapi.h"
#include "errhandlingapi.h"
#include "handleapi.h"
#include "heapapi.h"
#include "libloaderapi.h"
#include "processenv.h"
#include "processthreadsapi.h"
#include "profileapi.h"
#include "sal.h"
#include "stringapiset.h"
#include "synchapi.h"
#include "sysinfoapi.h"
#include "winbase.h"
#include "windef.h"
#include "winerror.h"
#include "winnt.h"
#include "sspcache/wide.h"

#endif
