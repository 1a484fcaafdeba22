//! Key distribution centres on loopback, MIT krb5's and Heimdal's: each with a realm, a port and a folder of its own. A KDC ends when
//! it is dropped, also by a panic.

use std::{
    env,
    ffi::OsStr,
    fs,
    io::Write as _,
    net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::program::{root, temporary_folder};

/// How long a KDC is waited for: a failure, not a measure.
const FOR_EVER: Duration = Duration::from_mins(1);

/// How long a KDC may take to end.
const PATIENCE: Duration = Duration::from_secs(10);

/// The user that each KDC has.
pub const USER: &str = "alice";
/// The user's password.
pub const PASSWORD: &str = "correct horse";
/// The service that each KDC has.
pub const SERVICE: &str = "host/localhost";

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    Mit,
    Heimdal,
}

impl Kind {
    fn realm(self) -> &'static str {
        match self {
            Self::Mit => "MIT.EXAMPLE",
            Self::Heimdal => "HEIMDAL.EXAMPLE",
        }
    }

    /// The path of one of its programs: MIT krb5's are installed; Heimdal's, whose packages exclude those, lie in `.tools`.
    fn program(self, name: &str) -> PathBuf {
        let (folders, name) = match self {
            Self::Mit => {
                let mut folders: Vec<_> =
                    env::split_paths(&env::var_os("PATH").unwrap_or_default()).collect();
                folders.push("/usr/sbin".into());
                for brew in ["/opt/homebrew/opt/krb5", "/usr/local/opt/krb5"] {
                    folders.splice(0..0, ["bin", "sbin"].map(|folder| Path::new(brew).join(folder)));
                }
                (folders, name.to_owned())
            }
            Self::Heimdal => {
                let usr = root().join(".tools/heimdal/usr");
                (
                    ["bin", "sbin", "lib/heimdal-servers"].map(|folder| usr.join(folder)).to_vec(),
                    name.to_owned(),
                )
            }
        };
        let found = folders.iter().map(|folder| folder.join(&name)).find(|path| path.is_file());
        found.unwrap_or_else(|| {
            panic!("{name} of {self:?}, which this test needs, isn't there: `cargo xtask setup` installs it or says how")
        })
    }
}

/// A running KDC.
#[derive(Debug)]
pub struct Kdc {
    process: Child,
    kind: Kind,
    port: u16,
    folder: TempDir,
}

impl Kdc {
    pub fn start(kind: Kind) -> Self {
        // Another program may take the port that was free.
        (0..3).find_map(|_| Self::try_start(kind)).expect("a KDC starts on one of three ports")
    }

    fn try_start(kind: Kind) -> Option<Self> {
        let folder = temporary_folder();
        let port = free_port();
        configure(kind, folder.path(), port);
        let mut command = match kind {
            Kind::Mit => {
                run(tool(kind, folder.path(), "kdb5_util").args(["create", "-s", "-P", "master"]), "");
                let commands = format!(
                    "addprinc -pw \"{PASSWORD}\" {USER}\naddprinc -randkey {SERVICE}\naddprinc -pw \"{PASSWORD}\" bob\n"
                );
                run(&mut tool(kind, folder.path(), "kadmin.local"), &commands);
                let mut command = tool(kind, folder.path(), "krb5kdc");
                command.arg("-n");
                command
            }
            Kind::Heimdal => {
                let key = folder.path().join("key");
                let mut stash = tool(kind, folder.path(), "kstash");
                run(stash.arg("--random-key").arg(format!("--key-file={}", key.display())), "");
                let realm = kind.realm();
                let commands = format!(
                    "init --realm-max-ticket-life=unlimited --realm-max-renewable-life=unlimited {realm}\n\
                     add --use-defaults --password=\"{PASSWORD}\" {USER}\n\
                     add --use-defaults --random-key {SERVICE}\n\
                     add --use-defaults --password=\"{PASSWORD}\" bob\n"
                );
                run(tool(kind, folder.path(), "kadmin.heimdal").arg("--local"), &commands);
                let mut command = tool(kind, folder.path(), "kdc");
                command.arg(format!("--config-file={}", folder.path().join("krb5.conf").display()));
                command.args([&format!("--ports={port}"), "--addresses=127.0.0.1"]);
                command
            }
        };
        // Heimdal's has processes that work for it: all end with the group.
        command.process_group(0).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let process = command.spawn().unwrap();
        let mut kdc = Self { process, kind, port, folder };
        let start = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            if kdc.process.try_wait().unwrap().is_some() {
                return None;
            }
            assert!(start.elapsed() < FOR_EVER, "the KDC doesn't answer: {}", kdc.log());
            thread::sleep(Duration::from_millis(10));
        }
        // What answered may be another program's, in whose way this one ended.
        kdc.process.try_wait().unwrap().is_none().then_some(kdc)
    }

    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Where it answers, by TCP and UDP of loopback.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// A principal of this realm.
    pub fn principal(&self, name: &str) -> String {
        format!("{name}@{}", self.kind.realm())
    }

    /// The folder of this KDC, in which tests may put files of their own.
    pub fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path("kdc.log")).unwrap_or_default()
    }

    /// Makes a command one of this realm: it has its configuration, and this default ccache.
    pub fn bind<'a>(&self, command: &'a mut Command, ccache: &str) -> &'a mut Command {
        environment(command, self.folder.path()).env("KRB5CCNAME", ccache)
    }

    /// Signs [`USER`] in.
    pub fn kinit(&self, ccache: &str) {
        let kinit = self.try_kinit(ccache, USER);
        assert!(kinit.status.success(), "{kinit:?}\n{}", self.log());
    }

    /// Signs a user in, with [`PASSWORD`].
    pub fn try_kinit(&self, ccache: &str, user: &str) -> Output {
        let mut command = match self.kind {
            Kind::Mit => tool(self.kind, self.folder.path(), "kinit"),
            Kind::Heimdal => {
                let mut command = tool(self.kind, self.folder.path(), "kinit.heimdal");
                command.arg("--password-file=STDIN");
                command
            }
        };
        output(command.args(["-c", ccache, user]), &format!("{PASSWORD}\n"))
    }

    /// Whether a ticket for [`SERVICE`] can be got with what is in the ccache.
    pub fn reaches_service(&self, ccache: &str) -> bool {
        let name = if self.kind == Kind::Mit { "kvno" } else { "kgetcred" };
        let mut command = tool(self.kind, self.folder.path(), name);
        output(self.bind(&mut command, ccache).arg(SERVICE), "").status.success()
    }

    /// What klist says of a ccache: whether it succeeded, and what it printed.
    pub fn klist(&self, ccache: &str) -> (bool, String) {
        let mut command = match self.kind {
            Kind::Mit => tool(self.kind, self.folder.path(), "klist"),
            Kind::Heimdal => {
                let mut command = tool(self.kind, self.folder.path(), "heimtools");
                command.arg("klist");
                command
            }
        };
        let ran = output(command.args(["-c", ccache]), "");
        (ran.status.success(), String::from_utf8_lossy(&[ran.stdout, ran.stderr].concat()).into_owned())
    }
}

impl Drop for Kdc {
    /// Heimdal's waits for its workers when it is asked to end.
    fn drop(&mut self) {
        // A program, since Rust signals no group.
        let group = format!("-{}", self.process.id());
        let signal = |signal: &str| {
            let _ = Command::new("kill").args([signal, "--", &group]).stderr(Stdio::null()).status();
        };
        signal("-TERM");
        let start = Instant::now();
        while self.process.try_wait().is_ok_and(|ended| ended.is_none()) && start.elapsed() < PATIENCE {
            thread::sleep(Duration::from_millis(10));
        }
        signal("-KILL");
        let _ = self.process.wait();
    }
}

/// A port of loopback that neither TCP nor UDP uses.
fn free_port() -> u16 {
    loop {
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = tcp.local_addr().unwrap().port();
        if UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}

fn configure(kind: Kind, folder: &Path, port: u16) {
    let (realm, folder_name) = (kind.realm(), folder.display());
    let client = format!(
        "[libdefaults]\n default_realm = {realm}\n dns_lookup_kdc = false\n dns_lookup_realm = false\n \
         dns_canonicalize_hostname = false\n rdns = false\n\
         [realms]\n {realm} = {{\n  kdc = 127.0.0.1:{port}\n }}\n\
         [domain_realm]\n localhost = {realm}\n"
    );
    let server = match kind {
        Kind::Mit => String::new(),
        Kind::Heimdal => format!(
            "[kdc]\n database = {{\n  dbname = {folder_name}/database\n  realm = {realm}\n  mkey_file = {folder_name}/key\n  \
             acl_file = {folder_name}/acl\n  log_file = {folder_name}/iprop.log\n }}\n\
             [logging]\n kdc = FILE:{folder_name}/kdc.log\n"
        ),
    };
    fs::write(folder.join("krb5.conf"), client + &server).unwrap();
    fs::write(
        folder.join("kdc.conf"),
        format!(
            "[kdcdefaults]\n kdc_listen = 127.0.0.1:{port}\n kdc_tcp_listen = 127.0.0.1:{port}\n\
             [realms]\n {realm} = {{\n  database_name = {folder_name}/database\n  key_stash_file = {folder_name}/key\n  \
             acl_file = {folder_name}/acl\n }}\n[logging]\n kdc = FILE:{folder_name}/kdc.log\n"
        ),
    )
    .unwrap();
}

fn environment<'a>(command: &'a mut Command, folder: &Path) -> &'a mut Command {
    command.env("KRB5_CONFIG", folder.join("krb5.conf")).env("KRB5_KDC_PROFILE", folder.join("kdc.conf"));
    for variable in ["KRB5_CLIENT_KTNAME", "KRB5_KTNAME", "KRB5_TRACE", "KRB5CCNAME"] {
        command.env_remove(variable);
    }
    command
}

fn tool(kind: Kind, folder: &Path, name: &str) -> Command {
    let mut command = Command::new(kind.program(name));
    environment(&mut command, folder);
    command
}

fn output(command: &mut Command, input: &str) -> Output {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    // A program that doesn't read it ends before it is written.
    let _ = child.stdin.take().expect("it is piped").write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn run(command: &mut Command, input: &str) {
    let ran = output(command, input);
    let name = command.get_program().to_os_string();
    assert!(
        ran.status.success(),
        "{}: {ran:?}",
        Path::new(&name).file_name().unwrap_or(OsStr::new("")).display()
    );
}
