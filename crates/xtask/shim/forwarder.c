/*
 * A DLL that has no code: its exports, which are in a .def file, are another DLL's.
 */

/* The entry point of a DLL that needs no C library. */
int __stdcall _DllMainCRTStartup(void *module, unsigned long reason, void *reserved)
{
    (void)module;
    (void)reason;
    (void)reserved;
    return 1;
}
