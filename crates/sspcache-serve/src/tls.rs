//! TLS with a certificate that is made at the start, and what identifies its channels.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, PublicKeyData, SignatureAlgorithm, SigningKey, date_time_ymd,
};
use rustls::{
    ServerConfig, ServerConnection,
    crypto::ring,
    pki_types::{CertificateDer, PrivatePkcs8KeyDer},
};
use sha2::{Digest, Sha256};
use sspcache_engine::context::ContextFlags;
use tokio_rustls::TlsAcceptor;

use crate::{
    ServeError,
    acceptor::Binding,
    settings::{Bindings, Channel},
};

/// What a server needs for TLS.
pub(crate) struct Tls {
    pub(crate) acceptor: TlsAcceptor,
    /// The certificate of the issuer, in PEM.
    pub(crate) ca: String,
    /// The digest of the server's certificate, by the algorithm of its signature, as RFC 5929 has it.
    end_point: [u8; 32],
}

impl Tls {
    pub(crate) fn new() -> Result<Self, ServeError> {
        make().map_err(|error| ServeError::Certificate(error.to_string()))
    }

    /// What handshakes on this connection have to be bound to.
    pub(crate) fn binding(&self, bindings: Bindings, connection: &ServerConnection) -> Binding {
        let data = bindings.channel().and_then(|channel| match channel {
            Channel::ServerEndPoint => Some([&b"tls-server-end-point:"[..], &self.end_point].concat()),
            Channel::Exporter => {
                let label = b"EXPORTER-Channel-Binding";
                let exported = connection.export_keying_material([0; 32], label, Some(&[])).ok()?;
                Some([&b"tls-exporter:"[..], &exported].concat())
            }
        });
        let flags = match bindings {
            Bindings::IfSent(_) => ContextFlags::ALLOW_MISSING_BINDINGS,
            Bindings::Off | Bindings::Required(_) => ContextFlags::empty(),
        };
        Binding { data, flags }
    }
}

const DAY: Duration = Duration::from_hours(24);

fn make() -> Result<Tls, Box<dyn std::error::Error>> {
    let mut ca = CertificateParams::new(Vec::new())?;
    ca.distinguished_name.push(DnType::CommonName, "sspcache serve: a test's own issuer");
    ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    (ca.not_before, ca.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2049, 12, 31));
    let key = IssuerKey::new()?;
    let certificate = ca.self_signed(&key)?;
    let issuer = Issuer::new(ca, key);

    let leaf = leaf()?;
    let leaf_key = KeyPair::generate()?;
    let leaf = leaf.signed_by(&leaf_key, &issuer)?;
    let der: CertificateDer<'static> = leaf.der().clone();
    let end_point = Sha256::digest(&der).into();
    let key = PrivatePkcs8KeyDer::from(leaf_key.serialize_der());
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![der], key.into())?;
    // HTTP/2 shares a connection between requests, which a handshake of a connection can't bear: the server accepts HTTP/1.1 alone.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Tls { acceptor: TlsAcceptor::from(Arc::new(config)), ca: certificate.pem(), end_point })
}

/// A key for ECDSA on P-256 with SHA-256, whose signatures Wine 8 can verify.
///
/// Wine 8 puts a signature's two integers beside each other without filling them up to the curve's size, and so takes one of 128 signatures for a false
/// one (observed; Wine 10 doesn't): error 12157 of WinHTTP, 12045 of WinINet.
struct IssuerKey(KeyPair);

impl IssuerKey {
    fn new() -> Result<Self, rcgen::Error> {
        KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map(Self)
    }
}

impl PublicKeyData for IssuerKey {
    fn der_bytes(&self) -> &[u8] {
        self.0.der_bytes()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        self.0.algorithm()
    }
}

impl SigningKey for IssuerKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        // Each signature has a random number in it.
        loop {
            let signature = self.0.sign(message)?;
            if has_whole_integers(&signature) {
                return Ok(signature);
            }
        }
    }
}

/// Whether no integer of an ECDSA signature on P-256, in DER, is shorter than the curve's 32 bytes.
fn has_whole_integers(signature: &[u8]) -> bool {
    // SEQUENCE, its length, INTEGER, its length, r, INTEGER, its length, s. An integer whose first bit is set follows a byte 0.
    let is_whole = |integer: &[u8]| integer.strip_prefix(&[0]).unwrap_or(integer).len() == 32;
    let integers = signature.get(4..).and_then(|r| r.split_at_checked(signature[3].into()));
    integers.is_some_and(|(r, s)| is_whole(r) && s.get(2..).is_some_and(is_whole))
}

/// What the server's own certificate says.
fn leaf() -> Result<CertificateParams, rcgen::Error> {
    let mut leaf = CertificateParams::new(["localhost", "127.0.0.1", "::1"].map(str::to_owned))?;
    leaf.distinguished_name.push(DnType::CommonName, "localhost");
    let now = SystemTime::now();
    (leaf.not_before, leaf.not_after) = ((now - DAY).into(), (now + 365 * DAY).into());
    leaf.use_authority_key_identifier_extension = true;
    leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    leaf.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    Ok(leaf)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Apple's systems trust no server's certificate that is valid for longer, whatever its issuer is
    /// (<https://support.apple.com/en-us/103769>).
    #[test]
    fn the_certificate_is_valid_for_less_than_825_days() {
        let leaf = leaf().unwrap();
        assert!(leaf.not_before < SystemTime::now() && leaf.not_after > SystemTime::now());
        assert!(leaf.not_after - leaf.not_before < 825 * DAY);
    }

    /// One of 128 would have a shorter integer.
    #[test]
    fn each_signature_of_the_issuer_has_whole_integers() {
        let key = IssuerKey::new().unwrap();
        for _ in 0..2_000 {
            let signature = key.sign(b"a certificate").unwrap();
            let r = &signature[4..][..signature[3].into()];
            let s = &signature[4 + r.len() + 2..];
            for integer in [r, s] {
                let size = integer.iter().skip_while(|&&byte| byte == 0).count();
                assert_eq!(size, 32, "{signature:?}");
            }
        }
    }
}
