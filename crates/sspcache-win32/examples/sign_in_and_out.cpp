/*
 * Signs in, uses that, signs out, in C++17: one file for Windows and for sspcache-win32. What was taken is given back when its
 * scope ends, whatever ends it.
 *
 *   c++ -std=c++17 sign_in_and_out.cpp -o sign_in_and_out $(pkg-config --cflags --libs sspcache-win32)
 *   x86_64-w64-mingw32-g++ -std=c++17 -static sign_in_and_out.cpp -o sign_in_and_out.exe
 *
 *   sspcache exec --expect-clean -- ./sign_in_and_out           passes
 *   sspcache exec --expect-clean -- ./sign_in_and_out --keep    fails: it never signs out
 */
#define SECURITY_WIN32
#include <windows.h>
#include <security.h>

#include <cstdio>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

/* Keeps a module loaded while it lives. */
class Module {
public:
    explicit Module(const char *name) : handle_(LoadLibraryA(name))
    {
        if (handle_ == nullptr)
            throw std::runtime_error(std::string(name) + " can't be loaded: error " + std::to_string(GetLastError()));
    }
    ~Module() { FreeLibrary(handle_); }
    Module(const Module &) = delete;
    Module &operator=(const Module &) = delete;

    template <typename Function> Function find(const char *name) const
    {
        FARPROC found = GetProcAddress(handle_, name);
        if (found == nullptr)
            throw std::runtime_error(std::string(name) + " is missing");
        return reinterpret_cast<Function>(reinterpret_cast<void *>(found));
    }

private:
    HMODULE handle_;
};

/* The status of an SSPI function that failed. */
class Refused : public std::runtime_error {
public:
    explicit Refused(SECURITY_STATUS status) : std::runtime_error("SSPI refused"), status(status) {}
    SECURITY_STATUS status;
};

static void check(SECURITY_STATUS status)
{
    if (status != SEC_E_OK)
        throw Refused(status);
}

/* A password that its destructor overwrites. */
class Password {
public:
    explicit Password(std::string text) : text_(std::move(text)) {}
    ~Password() { SecureZeroMemory(text_.data(), text_.size()); }
    Password(const Password &) = delete;
    Password &operator=(const Password &) = delete;

    std::string &text() { return text_; }

private:
    std::string text_;
};

/* A credential handle, freed by its destructor. The SSP's cache outlives it. */
class Credential {
public:
    /* Without an identity it takes the user that the SSP has cached. */
    Credential(PSecurityFunctionTableA sspi, SEC_WINNT_AUTH_IDENTITY_A *identity) : sspi_(sspi)
    {
        char package[] = "MSN";
        TimeStamp expiry;
        check(sspi_->AcquireCredentialsHandleA(nullptr, package, SECPKG_CRED_OUTBOUND, nullptr, identity, nullptr,
                                               nullptr, &handle_, &expiry));
    }
    ~Credential() { sspi_->FreeCredentialsHandle(&handle_); }
    Credential(const Credential &) = delete;
    Credential &operator=(const Credential &) = delete;

    std::string name()
    {
        SecPkgCredentials_NamesA names{};
        check(sspi_->QueryCredentialsAttributesA(&handle_, SECPKG_CRED_ATTR_NAMES, &names));
        std::string name(names.sUserName);
        sspi_->FreeContextBuffer(names.sUserName);
        return name;
    }

private:
    PSecurityFunctionTableA sspi_;
    CredHandle handle_{};
};

static unsigned char *bytes(std::string &text)
{
    return reinterpret_cast<unsigned char *>(text.data());
}

static void sign_in_with_password(PSecurityFunctionTableA sspi)
{
    std::string user("alice"), domain("CONTOSO");
    Password password("correct horse");
    SEC_WINNT_AUTH_IDENTITY_A identity{
        bytes(user),
        static_cast<ULONG>(user.size()),
        bytes(domain),
        static_cast<ULONG>(domain.size()),
        bytes(password.text()),
        static_cast<ULONG>(password.text().size()),
        SEC_WINNT_AUTH_IDENTITY_ANSI,
    };
    /* A real client would call InitializeSecurityContext here; this one queries its name. */
    std::printf("with the password: %s\n", Credential(sspi, &identity).name().c_str());
}

static void sign_in_without(PSecurityFunctionTableA sspi)
{
    try {
        std::printf("without it: %s\n", Credential(sspi, nullptr).name().c_str());
    } catch (const Refused &refused) {
        std::printf("without it: %08lX\n", static_cast<unsigned long>(static_cast<ULONG>(refused.status)));
    }
}

/* The documented sign-out. It never loads an SSP: one that isn't loaded has no cache. */
static bool sign_out()
{
    using Cleanup = BOOL(WINAPI *)();
    HMODULE module = GetModuleHandleA("MSNSSPC.dll");
    if (module == nullptr)
        return true;
    FARPROC cleanup = GetProcAddress(module, "CleanupCredentialCache");
    return cleanup != nullptr && reinterpret_cast<Cleanup>(reinterpret_cast<void *>(cleanup))() != FALSE;
}

int main(int argc, char **argv)
try {
    Module ssp("MSNSSPC.dll");
    PSecurityFunctionTableA sspi = ssp.find<INIT_SECURITY_INTERFACE_A>(SECURITY_ENTRYPOINT_ANSIA)();
    if (sspi == nullptr)
        throw std::runtime_error("MSNSSPC.dll gives no table of functions");
    sign_in_with_password(sspi);
    sign_in_without(sspi);
    if (argc < 2 || std::string_view(argv[1]) != "--keep")
        std::printf("sign-out: %s\n", sign_out() ? "TRUE" : "FALSE");
    sign_in_without(sspi);
    return 0;
} catch (const Refused &refused) {
    std::fprintf(stderr, "%s: %08lX\n", refused.what(), static_cast<unsigned long>(static_cast<ULONG>(refused.status)));
    return 1;
} catch (const std::exception &error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
}
