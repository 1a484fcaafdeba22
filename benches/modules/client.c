/*
 * Loads copies of one module, looks one of them up again and again, calls its export, and prints how many nanoseconds that takes:
 *
 *     client COUNT BATCHES < names
 *
 * A line of the input is the name by which a module is loaded. The one in the middle is looked up: by its bare name, where the
 * loader knows that, else by the name by which it was loaded. Compiled three times for Unix, and as a Windows program:
 *
 *     nothing defined   the documented functions, of windows.h
 *     DLOPEN            dlopen with RTLD_NOLOAD, dlsym, dlclose
 *     WINPR             WinPR's LoadLibrary, GetProcAddress, FreeLibrary
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef int (*cleanup_fn)(void);

#if defined(DLOPEN)
#include <dlfcn.h>

static void *load(const char *name) {
    return dlopen(name, RTLD_NOW);
}

static int flush(const char *name) {
    void *module = dlopen(name, RTLD_NOW | RTLD_NOLOAD);
    cleanup_fn cleanup = module ? (cleanup_fn)dlsym(module, "CleanupCredentialCache") : NULL;
    int done = cleanup ? cleanup() : 0;
    return module && dlclose(module) == 0 && done;
}

static const char *sought(const char *loaded_as) {
    return loaded_as;
}

#elif defined(WINPR)
/* As <winpr/library.h> declares them. */
extern void *LoadLibraryA(const char *);
extern void *GetProcAddress(void *, const char *);
extern int FreeLibrary(void *);

static void *load(const char *name) {
    return LoadLibraryA(name);
}

/* Its GetModuleHandle finds nothing, so that a module's handle is only had by loading it once more. */
static int flush(const char *name) {
    void *module = LoadLibraryA(name);
    cleanup_fn cleanup = module ? (cleanup_fn)GetProcAddress(module, "CleanupCredentialCache") : NULL;
    int done = cleanup ? cleanup() : 0;
    return module && FreeLibrary(module) && done;
}

static const char *sought(const char *loaded_as) {
    return loaded_as;
}

#else
#include <windows.h>

static void *load(const char *name) {
    return (void *)LoadLibraryA(name);
}

static int flush(const char *name) {
    HMODULE module = GetModuleHandleA(name);
    cleanup_fn cleanup = module ? (cleanup_fn)(void *)GetProcAddress(module, "CleanupCredentialCache") : NULL;
    return cleanup ? cleanup() : 0;
}

static const char *sought(const char *loaded_as) {
    const char *slash = strrchr(loaded_as, '/');
    return slash ? slash + 1 : loaded_as;
}
#endif

#ifdef _WIN32
static double now(void) {
    LARGE_INTEGER ticks, frequency;
    QueryPerformanceCounter(&ticks);
    QueryPerformanceFrequency(&frequency);
    return 1e9 * (double)ticks.QuadPart / (double)frequency.QuadPart;
}
#else
#include <time.h>

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return 1e9 * (double)time.tv_sec + (double)time.tv_nsec;
}
#endif

static double batch(const char *name, long times) {
    double start = now();
    for (long time = 0; time < times; time++) {
        if (!flush(name)) {
            fprintf(stderr, "%s isn't found, or not flushed\n", name);
            exit(1);
        }
    }
    return now() - start;
}

static int compare(const void *left, const void *right) {
    double difference = *(const double *)left - *(const double *)right;
    return (difference > 0) - (difference < 0);
}

int main(int argc, char **argv) {
    enum { LONGEST = 4096, MOST = 1000 };
    static char line[LONGEST], name[LONGEST];
    static double times[MOST];
    long count = argc == 3 ? atol(argv[1]) : 0, batches = argc == 3 ? atol(argv[2]) : 0;
    if (count < 1 || batches < 1 || batches > MOST) {
        fputs("usage: client COUNT BATCHES < names\n", stderr);
        return 2;
    }
    for (long at = 0; at < count; at++) {
        if (!fgets(line, sizeof line, stdin)) {
            fputs("there are fewer names\n", stderr);
            return 1;
        }
        line[strcspn(line, "\r\n")] = 0;
        if (!load(line)) {
            fprintf(stderr, "%s can't be loaded, after %ld others\n", line, at);
            return 1;
        }
        if (at == count / 2) {
            strcpy(name, sought(line));
        }
    }
    /* Long enough for the clock, and short enough that few batches are disturbed. */
    long length = 1;
    while (batch(name, length) < 3e5) {
        length *= 2;
    }
    for (long at = 0; at < batches; at++) {
        times[at] = batch(name, length) / (double)length;
    }
    qsort(times, (size_t)batches, sizeof times[0], compare);
    printf("%.2f\n", times[batches / 2]);
    return 0;
}
