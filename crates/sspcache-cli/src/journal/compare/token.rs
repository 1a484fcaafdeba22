//! What a token is, by its first bytes.

/// The form of a token, from its first bytes in hexadecimal.
pub(super) fn form(first: &str) -> &'static str {
    /// `NTLMSSP` and a null, then the type of the message in 32 bits.
    const NTLM: &str = "4e544c4d53535000";
    /// Object identifiers as DER has them: SPNEGO, RFC 4178; Kerberos, RFC 4121.
    const SPNEGO: &str = "06062b0601050502";
    const KERBEROS: &str = "06092a864886f712010202";
    if let Some(rest) = first.strip_prefix(NTLM) {
        return match rest.get(..8) {
            Some("01000000") => "NTLM NEGOTIATE",
            Some("02000000") => "NTLM CHALLENGE",
            Some("03000000") => "NTLM AUTHENTICATE",
            _ => "NTLM",
        };
    }
    match first.get(..2) {
        // GSS-API's frame: a tag, a length of up to four bytes, and the mechanism.
        Some("60") if first.get(..20).is_some_and(|start| start.contains(&SPNEGO[..8])) => "SPNEGO init",
        Some("60") if first.contains(&KERBEROS[..12]) => "Kerberos in GSS-API's frame",
        Some("60") => "GSS-API's frame",
        Some("a1") => "SPNEGO answer",
        Some("6e") => "Kerberos AP-REQ",
        Some("6f") => "Kerberos AP-REP",
        Some("7e") => "Kerberos KRB-ERROR",
        None => "none",
        Some(_) => "another",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P8
    #[test]
    fn a_token_is_known_by_its_first_bytes() {
        for (first, known) in [
            ("", "none"),
            ("4e544c4d535350000100000005820800", "NTLM NEGOTIATE"),
            ("4e544c4d535350000200000010001000", "NTLM CHALLENGE"),
            ("4e544c4d535350000300000018001800", "NTLM AUTHENTICATE"),
            ("604806062b0601050502a03e303ca00e", "SPNEGO init"),
            ("6082063f06062b0601050502a0820633", "SPNEGO init"),
            ("6082060006092a864886f71201020201", "Kerberos in GSS-API's frame"),
            ("a181b23081afa0030a0101a10c060a2b", "SPNEGO answer"),
            ("6e8205fc308205f8a003020105a10302", "Kerberos AP-REQ"),
            ("16030300", "another"),
        ] {
            assert_eq!(form(first), known, "{first}");
        }
    }
}
