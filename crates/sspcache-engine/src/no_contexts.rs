//! Empty types in place of contexts and accounts, where the feature `contexts` is off.

pub use sspcache_types::Role;

/// No accounts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Accounts;

pub(crate) mod export_key {
    /// No key.
    #[derive(Clone, Debug)]
    pub(crate) struct ExportKey;

    impl ExportKey {
        pub(crate) fn random() -> Self {
            Self
        }
    }
}

pub(crate) mod half_open {
    use super::settings::Settings;

    /// No handshakes.
    pub(crate) struct Handshakes;

    impl Handshakes {
        pub(crate) fn new(_: Settings) -> Result<Self, getrandom::Error> {
            Ok(Self)
        }

        #[allow(clippy::unused_self, reason = "as of handshakes that there are")]
        pub(crate) fn start_over(&mut self) {}
    }
}

pub(crate) mod settings {
    /// Nothing to configure.
    #[derive(Clone, Debug, Default)]
    pub(crate) struct Settings;
}

pub(crate) mod stage {
    /// No contexts.
    pub(crate) struct Contexts;

    impl Contexts {
        pub(crate) fn new(_: u64) -> Self {
            Self
        }

        #[allow(clippy::unused_self, reason = "as of contexts that there are")]
        pub(crate) fn len(&self) -> usize {
            0
        }
    }
}
