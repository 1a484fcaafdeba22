/*
 * Signs in with and without the password, then signs out: one file for Windows and for sspcache-win32.
 *
 *   cc sign_in_and_out.c -o sign_in_and_out $(pkg-config --cflags --libs sspcache-win32)
 *   x86_64-w64-mingw32-gcc sign_in_and_out.c -o sign_in_and_out.exe
 *
 *   sspcache exec --expect-clean -- ./sign_in_and_out           passes
 *   sspcache exec --expect-clean -- ./sign_in_and_out --keep    fails: it never signs out
 */
#define SECURITY_WIN32
#include <windows.h>
#include <security.h>

#include <stdio.h>
#include <string.h>

typedef BOOL(WINAPI *CLEANUP_CREDENTIAL_CACHE)(void);

/* Signs in with an identity or, without one, as the user that the SSP has cached. Prints the user or the status. */
static SECURITY_STATUS sign_in(PSecurityFunctionTableA sspi, SEC_WINNT_AUTH_IDENTITY_A *identity, const char *how)
{
    SEC_CHAR package[] = "MSN";
    SecPkgCredentials_NamesA names;
    CredHandle credential;
    TimeStamp expiry;
    SECURITY_STATUS status;

    status = sspi->AcquireCredentialsHandleA(NULL, package, SECPKG_CRED_OUTBOUND, NULL, identity, NULL, NULL,
                                             &credential, &expiry);
    if (status != SEC_E_OK) {
        printf("%s: %08lX\n", how, (unsigned long)(ULONG)status);
        return status;
    }
    /* A real client would call InitializeSecurityContext here; this one queries its name. */
    status = sspi->QueryCredentialsAttributesA(&credential, SECPKG_CRED_ATTR_NAMES, &names);
    if (status == SEC_E_OK) {
        printf("%s: %s\n", how, names.sUserName);
        sspi->FreeContextBuffer(names.sUserName);
    }
    /* The SSP's cache outlives the handle. */
    sspi->FreeCredentialsHandle(&credential);
    return status;
}

/* Signs in with a password, and leaves no copy of it in this program. */
static SECURITY_STATUS sign_in_with_password(PSecurityFunctionTableA sspi)
{
    unsigned char user[] = "alice", domain[] = "CONTOSO", password[] = "correct horse";
    SEC_WINNT_AUTH_IDENTITY_A identity = {
        .User = user,
        .UserLength = sizeof user - 1,
        .Domain = domain,
        .DomainLength = sizeof domain - 1,
        .Password = password,
        .PasswordLength = sizeof password - 1,
        .Flags = SEC_WINNT_AUTH_IDENTITY_ANSI,
    };
    SECURITY_STATUS status = sign_in(sspi, &identity, "with the password");

    SecureZeroMemory(password, sizeof password);
    return status;
}

/* The documented sign-out. It never loads an SSP: one that isn't loaded has no cache. */
static BOOL sign_out(void)
{
    HMODULE module = GetModuleHandleA("MSNSSPC.dll");
    CLEANUP_CREDENTIAL_CACHE cleanup;

    if (module == NULL)
        return TRUE;
    cleanup = (CLEANUP_CREDENTIAL_CACHE)(void *)GetProcAddress(module, "CleanupCredentialCache");
    return cleanup != NULL && cleanup();
}

int main(int argc, char **argv)
{
    HMODULE module = LoadLibraryA("MSNSSPC.dll");
    INIT_SECURITY_INTERFACE_A initialize;
    PSecurityFunctionTableA sspi;

    if (module == NULL) {
        fprintf(stderr, "MSNSSPC.dll can't be loaded: error %lu\n", (unsigned long)GetLastError());
        return 1;
    }
    initialize = (INIT_SECURITY_INTERFACE_A)(void *)GetProcAddress(module, SECURITY_ENTRYPOINT_ANSIA);
    sspi = initialize == NULL ? NULL : initialize();
    if (sspi == NULL) {
        fprintf(stderr, "MSNSSPC.dll is not an SSP\n");
        return 1;
    }
    if (sign_in_with_password(sspi) != SEC_E_OK)
        return 1;
    sign_in(sspi, NULL, "without it");
    if (argc < 2 || strcmp(argv[1], "--keep") != 0)
        printf("sign-out: %s\n", sign_out() ? "TRUE" : "FALSE");
    sign_in(sspi, NULL, "without it");
    FreeLibrary(module);
    return 0;
}
