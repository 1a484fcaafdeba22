"""Signs in, uses that, signs out, through ctypes: one file for Windows and for Unix.

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
    """The SSP, by name, with the types of its functions: an argument that has none is passed as an int of 32 bits."""
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
    """Signs in, with an identity or, without one, as whoever the SSP has cached: who that is, or the status."""
    credential, expiry, name = SecHandle(), c_int64(), c_void_p()
    status = ssp.AcquireCredentialsHandleA(
        None, b"MSN", SECPKG_CRED_OUTBOUND, None, identity, None, None, byref(credential), byref(expiry)
    )
    if status != SEC_E_OK:
        return f"{status & 0xFFFFFFFF:08X}"
    try:
        # Here a client would call InitializeSecurityContext; this one asks for its name.
        status = ssp.QueryCredentialsAttributesA(byref(credential), SECPKG_CRED_ATTR_NAMES, byref(name))
        if status != SEC_E_OK:
            return f"{status & 0xFFFFFFFF:08X}"
        try:
            return ctypes.string_at(name.value).decode()
        finally:
            ssp.FreeContextBuffer(name)
    finally:
        # What the SSP has cached outlives the handle.
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
        # It is loaded: this program did that.
        print("sign-out:", "TRUE" if ssp.CleanupCredentialCache() else "FALSE")
    print("without it:", sign_in(ssp))


main(sys.argv[1:])
