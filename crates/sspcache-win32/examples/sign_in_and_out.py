"""Signs in with and without the password, then signs out, through ctypes: one file for Windows and Unix.

    sspcache exec --expect-clean -- python3 sign_in_and_out.py           passes
    sspcache exec --expect-clean -- python3 sign_in_and_out.py --keep    fails: it never signs out
"""

import ctypes
import os
import sys
from ctypes import POINTER, byref, c_char_p, c_int32, c_int64, c_size_t, c_uint32, c_void_p

SEC_E_OK = 0
SEC_WINNT_AUTH_IDENTITY_ANSI = 1
SECPKG_CRED_OUTBOUND = 2
SECPKG_CRED_ATTR_NAMES = 1


class Identity(ctypes.Structure):
    """SEC_WINNT_AUTH_IDENTITY_A."""

    _fields_ = [
        ("User", c_char_p),
        ("UserLength", c_uint32),
        ("Domain", c_char_p),
        ("DomainLength", c_uint32),
        ("Password", c_char_p),
        ("PasswordLength", c_uint32),
        ("Flags", c_uint32),
    ]


class SecHandle(ctypes.Structure):
    """SecHandle."""

    _fields_ = [("dwLower", c_size_t), ("dwUpper", c_size_t)]


def load(name):
    """Loads the SSP by name and declares its functions: ctypes passes undeclared arguments as 32-bit ints."""
    ssp = ctypes.WinDLL(name) if os.name == "nt" else ctypes.CDLL(name)
    handle = POINTER(SecHandle)
    for function, result, parameters in [
        (
            "AcquireCredentialsHandleA",
            c_int32,
            [c_char_p, c_char_p, c_uint32, c_void_p, POINTER(Identity)]
            + [c_void_p, c_void_p, handle, POINTER(c_int64)],
        ),
        ("QueryCredentialsAttributesA", c_int32, [handle, c_uint32, c_void_p]),
        ("FreeContextBuffer", c_int32, [c_void_p]),
        ("FreeCredentialsHandle", c_int32, [handle]),
        ("CleanupCredentialCache", c_int32, []),
    ]:
        getattr(ssp, function).restype = result
        getattr(ssp, function).argtypes = parameters
    return ssp


def sign_in(ssp, identity=None):
    """Signs in with an identity or, without one, as the user that the SSP has cached. Returns the user or the status."""
    credential, expiry, name = SecHandle(), c_int64(), c_void_p()
    status = ssp.AcquireCredentialsHandleA(
        None, b"MSN", SECPKG_CRED_OUTBOUND, None, identity, None, None, byref(credential), byref(expiry)
    )
    if status != SEC_E_OK:
        return f"{status & 0xFFFFFFFF:08X}"
    try:
        # A real client would call InitializeSecurityContext here; this one queries its name.
        status = ssp.QueryCredentialsAttributesA(byref(credential), SECPKG_CRED_ATTR_NAMES, byref(name))
        if status != SEC_E_OK:
            return f"{status & 0xFFFFFFFF:08X}"
        try:
            return ctypes.string_at(name.value).decode()
        finally:
            ssp.FreeContextBuffer(name)
    finally:
        # The SSP's cache outlives the handle.
        ssp.FreeCredentialsHandle(byref(credential))


def main(arguments):
    ssp = load("MSNSSPC.dll")
    user, domain, password = b"alice", b"CONTOSO", b"correct horse"
    identity = Identity(
        user, len(user), domain, len(domain), password, len(password), SEC_WINNT_AUTH_IDENTITY_ANSI
    )
    print("with the password:", sign_in(ssp, byref(identity)))
    print("without it:", sign_in(ssp))
    if "--keep" not in arguments:
        # It is loaded, by this program.
        print("sign-out:", "TRUE" if ssp.CleanupCredentialCache() else "FALSE")
    print("without it:", sign_in(ssp))


main(sys.argv[1:])
