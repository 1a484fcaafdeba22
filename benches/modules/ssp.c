/* An SSP with nothing to flush, small enough for ten thousand of them. No library and no start-up code is linked with it. */
#ifdef _WIN32
#define EXPORT __declspec(dllexport)
/* The entry point: 64-bit Windows has one calling convention. */
int DllMain(void *module, unsigned long reason, void *reserved) {
    (void)module, (void)reason, (void)reserved;
    return 1;
}
#else
#define EXPORT __attribute__((visibility("default")))
#endif

EXPORT int CleanupCredentialCache(void) {
    return 1;
}
