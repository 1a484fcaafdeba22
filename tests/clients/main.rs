//! Programs that are both ends of an authentication, over the mock as a DLL: one file for each language or system.

/// C, against the headers and the library of `sspcache-win32`.
mod c;
/// The Remote Desktop client FreeRDP.
mod freerdp;
/// Python, Node, Java and C#, which load a library for this system by name.
mod native;
/// Safe Rust, by the types of `sspcache`.
mod rust;
/// Clients of the server of `sspcache serve` and `exec --serve`.
#[cfg(feature = "serve")]
mod served;
/// The Python package sspilib.
mod sspilib;
/// Parsers of others, which read the mock's tokens.
mod tokens;
/// C for Windows, against mingw's headers, under Wine.
mod windows;
