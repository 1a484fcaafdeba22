//! `sspcache-win32`: the Win32 module loader for C and C++ on Unix. The same programs run as Windows programs under Wine, where
//! they can.

/// The examples that ship beside the headers.
mod examples;
/// Flags and folders to load from.
mod folders;
/// The headers: complete, alone, and the same as MinGW's.
mod headers;
/// The loader with the mock linked in.
mod linked;
/// `FormatMessage` and `LocalFree`.
mod messages;
/// Modules: handles, names, errors, buffers.
mod modules;
/// The SSPI functions, and which SSP they ask.
mod packages;
/// Programs that do more than to sign in and out.
mod programs;
/// Windows' own secur32.dll, loaded by name.
mod secur32;
/// The documented sign-out in C.
mod sign_out;
/// Where in the program something was given out and taken back.
mod stacks;
/// Programs that link WinPR, too.
mod winpr;
