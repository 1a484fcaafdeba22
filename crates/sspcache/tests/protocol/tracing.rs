//! The events that the feature `tracing` brings.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
};

use sspcache::{CredentialProvider, SspCaches};

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

#[test]
fn each_row_of_a_report_is_an_event() {
    let modules = [(r"C:\a\MSNSSPC.dll", Some(true)), (r"C:\b\MSNSSPC.dll", Some(false))];
    let modules = modules.map(|(path, answer)| FakeModule::new(path, answer));
    let provider = SspCaches::new(FakeLoader::with(modules));

    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .without_time()
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let report = tracing::subscriber::with_default(subscriber, || provider.flush_all());
    assert_eq!(report.rows().len(), 3);
    insta::assert_snapshot!(String::from_utf8_lossy(&lines.0.lock().unwrap()), @r#"
    INFO sspcache: credential cache cache="MSNSSPC.dll" module=C:\a\MSNSSPC.dll outcome=flushed
    WARN sspcache: credential cache cache="MSNSSPC.dll" module=C:\b\MSNSSPC.dll error=C:\b\MSNSSPC.dll: CleanupCredentialCache returned FALSE; its credentials may still be cached
    INFO sspcache: credential cache cache="MSAPSSPC.dll" outcome=absent
    "#);
}
