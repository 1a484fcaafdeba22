/*
 * Signs in so many times at both ends, and gives back what it was given: `client MODULE TIMES`. It prints the nanoseconds that one of
 * them took.
 */
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

typedef struct { uintptr_t lower, upper; } Handle;
typedef struct { uint32_t size, type; void *data; } Buffer;
typedef struct { uint32_t version, count; Buffer *buffers; } Buffers;
typedef struct { const char *user; uint32_t user_length; const char *domain; uint32_t domain_length; const char *password; uint32_t password_length, flags; } Identity;

static int32_t (*acquire)(char *, char *, uint32_t, void *, Identity *, void *, void *, Handle *, int64_t *);
static int32_t (*begin)(Handle *, Handle *, char *, uint32_t, uint32_t, uint32_t, Buffers *, uint32_t, Handle *, Buffers *, uint32_t *, int64_t *);
static int32_t (*answer)(Handle *, Handle *, Buffers *, uint32_t, uint32_t, Handle *, Buffers *, uint32_t *, int64_t *);
static int32_t (*release)(Handle *), (*destroy)(Handle *), (*give_back)(void *);

static void *function(void *module, const char *name)
{
    void *found = dlsym(module, name);
    if (!found) {
        fprintf(stderr, "no %s\n", name);
        exit(2);
    }
    return found;
}

static void expect(int32_t status, int32_t wanted)
{
    if (status != wanted) {
        fprintf(stderr, "status %08X\n", (unsigned)status);
        exit(2);
    }
}

static void sign_in(void)
{
    const int32_t go_on = 0x90312;
    const uint32_t allocate = 0x100;
    Identity identity = { "alice", 5, "CONTOSO", 7, "correct horse", 13, 1 };
    Buffer first = { 0, 2, NULL }, second = { 0, 2, NULL }, third = { 0, 2, NULL }, fourth = { 0, 2, NULL };
    Buffers firsts = { 0, 1, &first }, seconds = { 0, 1, &second }, thirds = { 0, 1, &third }, fourths = { 0, 1, &fourth };
    Handle client, server, at_client, at_server;
    uint32_t flags;
    int64_t expiry;
    expect(acquire(NULL, "NTLM", 2, NULL, &identity, NULL, NULL, &client, &expiry), 0);
    expect(acquire(NULL, "NTLM", 1, NULL, NULL, NULL, NULL, &server, &expiry), 0);
    expect(begin(&client, NULL, "HOST/server", allocate, 0, 0, NULL, 0, &at_client, &firsts, &flags, &expiry), go_on);
    expect(answer(&server, NULL, &firsts, allocate, 0, &at_server, &seconds, &flags, &expiry), go_on);
    expect(begin(&client, &at_client, "HOST/server", allocate, 0, 0, &seconds, 0, &at_client, &thirds, &flags, &expiry), 0);
    expect(answer(&server, &at_server, &thirds, allocate, 0, &at_server, &fourths, &flags, &expiry), 0);
    give_back(first.data);
    give_back(second.data);
    give_back(third.data);
    if (fourth.data)
        give_back(fourth.data);
    destroy(&at_client);
    destroy(&at_server);
    release(&client);
    release(&server);
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

int main(int argc, char **argv)
{
    void *module = argc == 3 ? dlopen(argv[1], RTLD_NOW) : NULL;
    int times = argc == 3 ? atoi(argv[2]) : 0, i;
    double start;
    if (!module) {
        fprintf(stderr, "%s\n", dlerror());
        return 2;
    }
    *(void **)&acquire = function(module, "AcquireCredentialsHandleA");
    *(void **)&begin = function(module, "InitializeSecurityContextA");
    *(void **)&answer = function(module, "AcceptSecurityContext");
    *(void **)&release = function(module, "FreeCredentialsHandle");
    *(void **)&destroy = function(module, "DeleteSecurityContext");
    *(void **)&give_back = function(module, "FreeContextBuffer");
    sign_in();
    start = now();
    for (i = 0; i < times; i++)
        sign_in();
    printf("%.0f\n", (now() - start) / times);
    return 0;
}
