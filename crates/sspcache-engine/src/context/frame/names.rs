//! Names as the tokens of Kerberos and NTLM have them.

use std::net::{IpAddr, Ipv4Addr};

use sspcache_types::name;

use crate::{Name, Principal};

/// Stands where there is no name.
pub(super) const SOMEWHERE: &str = "SSPCACHE";

/// The server that an AP-REQ is for.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Target {
    pub(super) realm: String,
    /// The type of the name.
    pub(super) kind: i32,
    pub(super) components: Vec<String>,
}

impl Target {
    /// The target that an initiator names, in its own realm unless it says another.
    pub(super) fn of(target: Option<&Name>, client: Option<&Principal>) -> Self {
        let text = target.map(Name::to_string).unwrap_or_default();
        let (name, realm) = match text.rsplit_once('@') {
            Some((name, realm)) => (name, Some(upper(realm))),
            None => (&*text, None),
        };
        let own = || client.map_or_else(|| SOMEWHERE.to_owned(), |client| realm_of(&client.domain));
        let (kind, components) = match name {
            "" => (UNKNOWN, vec![SOMEWHERE.to_owned()]),
            _ if name.contains('/') => (SERVICE, name.split('/').map(str::to_owned).collect()),
            _ => (PRINCIPAL, vec![name.to_owned()]),
        };
        Self { realm: realm.unwrap_or_else(own), kind, components }
    }
}

/// The realm of a domain: in upper case, as Windows writes it.
pub(super) fn realm_of(domain: &Name) -> String {
    if domain.is_empty() { SOMEWHERE.to_owned() } else { upper(&domain.to_string()) }
}

/// A text in upper case, by Windows' table. Rust's has what Windows leaves alone, such as `ß`, and is large in a mock DLL.
fn upper(text: &str) -> String {
    let units: Vec<u16> = text.encode_utf16().map(name::fold).collect();
    String::from_utf16_lossy(&units)
}

/// Whether a target names its host by its address. Windows' Kerberos has no names for those.
///
/// Reference: [Kerberos clients allow IPv4 and IPv6 address hostnames](https://learn.microsoft.com/en-us/windows-server/security/kerberos/configuring-kerberos-over-ip).
pub(in crate::context) fn is_address(target: &Name) -> bool {
    let text = target.to_string();
    let host = text.split('@').next().unwrap_or_default();
    let host = host.split('/').nth(1).unwrap_or(host);
    if let Some(rest) = host.strip_prefix('[') {
        return rest.split(']').next().is_some_and(|host| host.parse::<IpAddr>().is_ok());
    }
    let without_port = host.rsplit_once(':').map_or(host, |(host, _)| host);
    host.parse::<IpAddr>().is_ok() || without_port.parse::<Ipv4Addr>().is_ok()
}

/// The types of names of RFC 4120: unknown, a principal, a service and its instance.
pub(super) const UNKNOWN: i32 = 0;
pub(super) const PRINCIPAL: i32 = 1;
const SERVICE: i32 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    /// P8
    #[test]
    fn a_target_is_a_service_in_a_realm() {
        let alice = Principal::new("alice", "contoso.com");
        for (target, client, realm, kind, components) in [
            ("HTTP/web", Some(&alice), "CONTOSO.COM", 2, &["HTTP", "web"][..]),
            ("HTTP/web:8080/service", None, SOMEWHERE, 2, &["HTTP", "web:8080", "service"]),
            ("HTTP/web@fabrikam.com", Some(&alice), "FABRIKAM.COM", 2, &["HTTP", "web"]),
            ("web$", Some(&alice), "CONTOSO.COM", 1, &["web$"]),
            ("", Some(&Principal::new("alice", "")), SOMEWHERE, 0, &[SOMEWHERE]),
        ] {
            let components = components.iter().map(|&component| component.to_owned()).collect();
            let expected = Target { realm: realm.to_owned(), kind, components };
            assert_eq!(Target::of(Some(&target.into()), client), expected, "{target}");
        }
        assert_eq!(Target::of(None, None).components, [SOMEWHERE]);
    }

    /// P7
    #[test]
    fn an_address_is_told_from_a_name() {
        for (target, is) in [
            ("HTTP/10.0.0.1", true),
            ("HTTP/10.0.0.1:8080", true),
            ("HTTP/10.0.0.1/service", true),
            ("HTTP/10.0.0.1@CONTOSO", true),
            ("10.0.0.1", true),
            ("HTTP/::1", true),
            ("HTTP/[::1]:8080", true),
            ("HTTP/[fe80::1]", true),
            ("HTTP/web", false),
            ("HTTP/10.0.0.1.example.com", false),
            ("HTTP/10", false),
            ("HTTP/web:80", false),
            ("HTTP/[web]", false),
            ("", false),
            ("/", false),
        ] {
            assert_eq!(is_address(&target.into()), is, "{target}");
        }
    }
}
