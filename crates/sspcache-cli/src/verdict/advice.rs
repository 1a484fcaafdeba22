//! What to do about credentials that were left: it depends on where they are, and on what may hold them.

use super::{End, Kind, Process};

/// The advice for what this process left, a sentence or two for each kind.
pub(super) fn advice(process: &Process) -> Vec<&'static str> {
    advice_of(process, &[Kind::Cached, Kind::Held])
}

/// The advice for what it left of these kinds.
pub(super) fn advice_of(process: &Process, kinds: &[Kind]) -> Vec<&'static str> {
    let left = |kind: Kind| {
        let mut left = process.credentials.iter().filter(|credential| credential.kind == kind);
        kinds.contains(&kind) && left.any(|credential| matches!(credential.end, End::Left { .. }))
    };
    let mut advice = Vec::new();
    if left(Kind::Cached) {
        advice.push(
            "Call CleanupCredentialCache at sign-out; unloading the SSP or ending the process is no substitute.",
        );
    }
    if left(Kind::Held) {
        advice.push(
            "Call FreeCredentialsHandle for each handle that was acquired with credentials. Windows discards what a \
             handle holds when its process ends, and not before.",
        );
        advice.extend(beside(process));
    }
    advice
}

/// How others that are in the process free what they have. Which module has a handle isn't known, only which are there.
pub(super) fn beside(process: &Process) -> impl Iterator<Item = &'static str> {
    [
            (
                "coreclr.dll",
                ".NET is in the process: dispose of what signs in (HttpClient, NegotiateAuthentication, NegotiateStream).",
            ),
            (
                "clr.dll",
                "The .NET Framework is in the process: dispose of what signs in (HttpClient, NegotiateStream).",
            ),
            ("libcoreclr.so", ".NET is in the process: dispose of what has the credential handle."),
            ("libcoreclr.dylib", ".NET is in the process: dispose of what has the credential handle."),
            (
                "winhttp.dll",
                "WinHTTP is in the process: it frees what a request signed in with when the request's handle is \
                 closed (WinHttpCloseHandle).",
            ),
            (
                "wininet.dll",
                "WinINet is in the process: it frees what a request signed in with when the request's handle is \
                 closed (InternetCloseHandle).",
            ),
    ]
    .into_iter()
    .filter(|(module, _)| process.beside.contains(*module))
    .map(|(_, what)| what)
}
