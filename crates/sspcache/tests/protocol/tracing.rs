//! The events that the feature `tracing` brings.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
};

use sspcache::{CredentialProvider, SspCaches, caches::Caches};

use crate::fake::{FakeLoader, FakeModule};

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The events of what is done.
fn events<R>(action: impl FnOnce() -> R) -> (R, String) {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .without_time()
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let result = tracing::subscriber::with_default(subscriber, action);
    let text = String::from_utf8_lossy(&lines.0.lock().unwrap()).into_owned();
    (result, text)
}

/// K4
#[test]
fn an_event_has_the_instance_and_the_number_of_entries() {
    let system = FakeLoader::with([FakeModule::new(r"C:\app\MSNSSPC.dll", Some(true))]);
    let caches = Caches::process_of(system).and_kerberos().and_ccache().and_credentials("MyApp/*").unwrap();
    let (report, events) = events(|| caches.flush_all());
    assert_eq!(report.rows().len(), 8);
    insta::assert_snapshot!(events, @r#"
    WARN sspcache: credential cache cache="credentials" instance="MyApp/*" entries=0 error=credentials: not flushed: MyApp/alice: access is denied
    INFO sspcache: credential cache cache="ccache" instance="MEMORY:" outcome=absent
    WARN sspcache: credential cache cache="ccache" instance="default" error=ccache: unsupported here: no Kerberos library is installed
    INFO sspcache: credential cache cache="kerberos" entries=1 outcome=flushed
    INFO sspcache: credential cache cache="MSNSSPC.dll" module=C:\app\MSNSSPC.dll outcome=flushed
    INFO sspcache: credential cache cache="MSAPSSPC.dll" outcome=absent
    INFO sspcache: credential cache cache="wininet.dll" outcome=absent
    INFO sspcache: credential cache cache="schannel.dll" outcome=absent
    "#);
}

#[test]
fn each_row_of_a_report_is_an_event() {
    let modules = [(r"C:\a\MSNSSPC.dll", Some(true)), (r"C:\b\MSNSSPC.dll", Some(false))];
    let modules = modules.map(|(path, answer)| FakeModule::new(path, answer));
    let provider = SspCaches::new(FakeLoader::with(modules));

    let (report, events) = events(|| provider.flush_all());
    assert_eq!(report.rows().len(), 3);
    insta::assert_snapshot!(events, @r#"
    INFO sspcache: credential cache cache="MSNSSPC.dll" module=C:\a\MSNSSPC.dll outcome=flushed
    WARN sspcache: credential cache cache="MSNSSPC.dll" module=C:\b\MSNSSPC.dll error=C:\b\MSNSSPC.dll: CleanupCredentialCache returned FALSE; its credentials may still be cached
    INFO sspcache: credential cache cache="MSAPSSPC.dll" outcome=absent
    "#);
}
