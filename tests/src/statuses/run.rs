//! Runs a row on a driver: keeps the handles, tokens and messages that its steps name.

use std::collections::BTreeMap;

use sspcache_engine::SecurityStatus;
use windows_sys::Win32::Security::Authentication::Identity as sspi;

use super::row::{Out, Row, Step};
use crate::identity::{CERT, KEYTAB, Parts};

/// Who answers the calls of a row. Handles are words.
pub trait Driver {
    fn acquire(&mut self, ask: &Ask) -> Answer<usize>;
    fn add(&mut self, credential: usize, ask: &Ask) -> Answer<()>;
    /// Package, domain, account, old and new password.
    fn change_password(&mut self, names: [&str; 5]) -> Answer<()>;
    /// An attribute, set to these bytes.
    fn set(&mut self, credential: usize, attribute: u32, value: &[u8]) -> Answer<()>;
    fn free(&mut self, credential: usize) -> Answer<()>;
    fn names(&mut self, credential: usize) -> Answer<()>;
    fn package(&mut self, name: &str) -> Answer<()>;
    fn packages(&mut self) -> Answer<()>;
    fn initialize(&mut self, step: &Leg) -> Answer<Sent>;
    fn accept(&mut self, step: &Leg) -> Answer<Sent>;
    fn complete(&mut self, context: usize, token: &mut Vec<u8>) -> Answer<()>;
    fn manage(&mut self, function: &str, context: usize) -> Answer<()>;
    fn query(&mut self, context: usize, attribute: u32, room: Option<u32>) -> Answer<()>;
    fn protect(&mut self, function: &str, context: usize, qop: u32, message: &mut Message) -> Answer<()>;
    fn export(&mut self, context: usize, delete: bool) -> Answer<Vec<u8>>;
    fn import(&mut self, package: &str, packed: &[u8]) -> Answer<usize>;
    fn flush(&mut self) -> Answer<()>;
}

/// A status; with a good one, what was given, with a bad one, whether an out parameter was written all the same.
pub(crate) type Answer<T> = Result<(i32, T), (i32, Out)>;

/// `AcquireCredentialsHandle`.
#[derive(Debug, Default)]
pub struct Ask {
    pub package: String,
    pub credential_use: u32,
    pub principal: Option<String>,
    pub identity: Option<Parts>,
}

/// A step of either side.
#[derive(Debug)]
pub struct Leg {
    pub credential: Option<usize>,
    pub context: Option<usize>,
    pub target: Option<String>,
    pub flags: u32,
    pub token: Option<Vec<u8>>,
    pub bindings: Option<Vec<u8>>,
    pub room: usize,
}

/// The context's handle and the token to send.
pub(crate) type Sent = (usize, Vec<u8>);

#[derive(Clone, Debug, Default)]
pub struct Message {
    pub token: Vec<u8>,
    pub data: Vec<u8>,
}

/// A bit of a handle's generation, which is the upper half of its word.
const OF_GENERATION: usize = 1 << (usize::BITS / 2 + 8);

/// What a row's steps have named so far.
#[derive(Debug, Default)]
struct World {
    credentials: BTreeMap<String, usize>,
    contexts: BTreeMap<String, usize>,
    bytes: BTreeMap<String, Vec<u8>>,
    messages: BTreeMap<String, Message>,
}

/// Runs a row; what is wrong with it, if anything is.
pub fn run(row: &Row, driver: &mut dyn Driver) -> Result<(), String> {
    let mut world = World::default();
    for step in &row.given {
        let fails = step.strip_prefix("fails ");
        match (world.take(Step::parse(fails.unwrap_or(step)), driver), fails) {
            (Ok(_), None) | (Err(_), Some(_)) => {}
            (Ok(_), Some(_)) => return Err(format!("given, {step}: it does not")),
            (Err((status, _)), None) => return Err(format!("given, {step}: {}", shown(status))),
        }
    }
    let (status, out) = match world.take(Step::parse(&row.when), driver) {
        Ok(status) => (status, Out::Written),
        Err(refused) => refused,
    };
    if shown(status) != row.status || out != row.out {
        return Err(format!("{} and {out:?}, not {} and {:?}", shown(status), row.status, row.out));
    }
    Ok(())
}

impl World {
    /// Takes a step: its status, and for a bad one what became of the out parameters.
    fn take(&mut self, mut step: Step, driver: &mut dyn Driver) -> Result<i32, (i32, Out)> {
        let answer = self.call(&mut step, driver);
        assert!(step.given.is_empty(), "nobody knows what to do with {:?}", step.given);
        answer
    }

    fn call(&mut self, step: &mut Step, driver: &mut dyn Driver) -> Result<i32, (i32, Out)> {
        let name = step.name.clone();
        match step.verb.clone().as_str() {
            "acquire" => {
                let (status, handle) = driver.acquire(&ask(step))?;
                self.credentials.insert(name, handle);
                Ok(status)
            }
            "add" => only_status(driver.add(self.credential(&name), &ask(step))),
            "change-password" => {
                let [package, domain, old, new] =
                    ["package", "domain", "old", "new"].map(|key| step.take(key).unwrap_or_default());
                only_status(driver.change_password([&package, &domain, &name, &old, &new]))
            }
            "set-proxy" => {
                let attribute = if step.take("names").is_some() {
                    sspi::SECPKG_CRED_ATTR_NAMES
                } else {
                    sspi::SECPKG_CRED_ATTR_KDC_PROXY_SETTINGS
                };
                let settings = proxy(step);
                only_status(driver.set(self.credential(&name), attribute, &settings))
            }
            "free" => only_status(driver.free(self.credential(&name))),
            "names" => only_status(driver.names(self.credential(&name))),
            "package" => only_status(driver.package(&name)),
            "packages" => only_status(driver.packages()),
            side @ ("initialize" | "accept") => {
                let leg = self.leg(step, side == "initialize");
                let to = step.take("to");
                let (status, (context, token)) =
                    if side == "initialize" { driver.initialize(&leg) } else { driver.accept(&leg) }?;
                self.contexts.insert(name, context);
                if let Some(to) = to {
                    self.bytes.insert(to, token);
                }
                Ok(status)
            }
            "complete" => {
                let at = step.take("token").expect("a token");
                let mut token = self.bytes[&at].clone();
                let (status, ()) = driver.complete(self.context(&name), &mut token)?;
                self.bytes.insert(at, token);
                Ok(status)
            }
            function @ ("delete" | "impersonate" | "revert" | "token" | "control" | "set") => {
                only_status(driver.manage(function, self.context(&name)))
            }
            "query" => {
                let attribute = step.take("attribute").expect("an attribute");
                let room = step.take("room").map(|room| room.parse().expect("a number"));
                only_status(driver.query(self.context(&name), attribute_number(&attribute), room))
            }
            function @ ("sign" | "encrypt" | "verify" | "decrypt") => {
                let at = step.take("message").expect("a message");
                let qop = step.take("qop").map_or(0, |qop| number(&qop));
                let mut message = self
                    .messages
                    .get(&at)
                    .cloned()
                    .unwrap_or_else(|| Message { token: vec![0; 100], data: b"a message".to_vec() });
                if let Some(room) = step.take("room") {
                    message.token.resize(room.parse().expect("a number"), 0);
                }
                let (status, ()) = driver.protect(function, self.context(&name), qop, &mut message)?;
                self.messages.insert(at, message);
                Ok(status)
            }
            "export" => {
                let delete = step.take("delete").is_some();
                let to = step.take("to").unwrap_or_default();
                let (status, packed) = driver.export(self.context(&name), delete)?;
                self.bytes.insert(to, packed);
                Ok(status)
            }
            "import" => {
                let package = step.take("package").expect("a package");
                let packed = self.bytes[&step.take("from").expect("bytes")].clone();
                let (status, context) = driver.import(&package, &packed)?;
                self.contexts.insert(name, context);
                Ok(status)
            }
            "flush" => only_status(driver.flush()),
            _ => {
                self.change(step);
                Ok(0)
            }
        }
    }

    /// Steps that call no function, and change what was named.
    fn change(&mut self, step: &mut Step) {
        let name = step.name.clone();
        let at = |step: &mut Step| step.take("at").map(|at| at.parse::<isize>().expect("a number"));
        match step.verb.as_str() {
            "alter" => flip(self.bytes.get_mut(&name).expect("bytes"), at(step).unwrap_or(-1)),
            "alter-data" => {
                flip(&mut self.messages.get_mut(&name).expect("a message").data, at(step).unwrap_or(0));
            }
            "alter-token" => {
                flip(&mut self.messages.get_mut(&name).expect("a message").token, at(step).unwrap_or(-1));
            }
            "cut" => drop(self.bytes.get_mut(&name).expect("bytes").pop()),
            "cut-token" => drop(self.messages.get_mut(&name).expect("a message").token.pop()),
            "lengthen" => self.bytes.get_mut(&name).expect("bytes").push(0),
            "bytes" => {
                let text = step.take("text").unwrap_or_default();
                self.bytes.insert(name, text.into_bytes());
            }
            "copy-message" => {
                let message = self.messages[&step.take("of").expect("a message")].clone();
                self.messages.insert(name, message);
            }
            "forge" => {
                let forged = self.contexts[&step.take("of").expect("a context")] ^ OF_GENERATION;
                self.contexts.insert(name, forged);
            }
            "forge-credential" => {
                let forged = self.credentials[&step.take("of").expect("a credential")] ^ OF_GENERATION;
                self.credentials.insert(name, forged);
            }
            other => panic!("nobody knows the step {other}"),
        }
    }

    fn leg(&self, step: &mut Step, initiates: bool) -> Leg {
        let credential = step.take("credential").map(|name| self.credential(&name));
        let context = match step.take("context") {
            Some(name) => Some(self.context(&name)),
            None => self.contexts.get(&step.name).copied(),
        };
        let flags = step.take("flags").unwrap_or_default();
        Leg {
            credential,
            context,
            target: step.take("target"),
            flags: flags
                .split('+')
                .filter(|flag| !flag.is_empty())
                .map(|flag| flag_bit(flag, initiates))
                .sum(),
            token: step.take("token").map(|name| self.bytes[&name].clone()),
            bindings: step.take("bindings").map(String::into_bytes),
            room: step.take("room").map_or(4096, |room| room.parse().expect("a number")),
        }
    }

    /// A handle; of a name that no step gave, one that no SSP gave out.
    fn context(&self, name: &str) -> usize {
        self.contexts.get(name).copied().unwrap_or(0)
    }

    fn credential(&self, name: &str) -> usize {
        self.credentials.get(name).copied().unwrap_or(0)
    }
}

fn only_status(answer: Answer<()>) -> Result<i32, (i32, Out)> {
    answer.map(|(status, ())| status)
}

fn flip(bytes: &mut [u8], at: isize) {
    let length = isize::try_from(bytes.len()).expect("short");
    let at = if at < 0 { length + at } else { at };
    bytes[usize::try_from(at).expect("a place")] ^= 1;
}

fn ask(step: &mut Step) -> Ask {
    let mut credential_use = match step.take("use").as_deref() {
        None | Some("outbound") => sspi::SECPKG_CRED_OUTBOUND,
        Some("inbound") => sspi::SECPKG_CRED_INBOUND,
        Some("both") => sspi::SECPKG_CRED_BOTH,
        Some(other) => panic!("no use of a credential: {other}"),
    };
    for (flag, bit) in [
        ("autologon-restricted", sspi::SECPKG_CRED_AUTOLOGON_RESTRICTED),
        ("process-policy-only", sspi::SECPKG_CRED_PROCESS_POLICY_ONLY),
    ] {
        credential_use |= if step.take(flag).is_some() { bit } else { 0 };
    }
    let identity = identity(step);
    Ask {
        package: step.take("package").expect("a package"),
        credential_use,
        principal: step.take("principal"),
        identity,
    }
}

/// The identity that a step gives any part of. Parts that it doesn't name are empty, or null where `nulls` names them.
fn identity(step: &mut Step) -> Option<Parts> {
    let [user, domain, password, list, nulls] =
        ["user", "domain", "password", "list", "nulls"].map(|key| step.take(key));
    let opaque = [("keytab", KEYTAB), ("certificate", CERT)]
        .into_iter()
        .find_map(|(key, guid)| Some((guid, step.take(key)?.into_bytes())));
    if user.is_none() && list.is_none() && nulls.is_none() && opaque.is_none() {
        return None;
    }
    let nulls = nulls.unwrap_or_default();
    let part = |given: Option<String>, name: &str| {
        given.or_else(|| nulls.split('+').all(|null| null != name).then(String::new))
    };
    Some(Parts {
        user: part(user, "user"),
        domain: part(domain, "domain"),
        password: part(password, "password"),
        packages: list,
        opaque,
    })
}

/// A `SecPkgCredentials_KdcProxySettingsW` with a server, and what a step says otherwise of its header.
fn proxy(step: &mut Step) -> Vec<u8> {
    let mut given = |key, usual: usize| {
        step.take(key).map_or(usual, |value| usize::try_from(number(&value)).expect("a number"))
    };
    let server: Vec<u8> = "proxy".encode_utf16().flat_map(u16::to_ne_bytes).collect();
    let (version, flags) = (given("version", 1), given("flags", 0));
    let header = [given("offset", 16), given("length", server.len()), given("certificate-offset", 0), 0];
    let numbers =
        [version, flags].into_iter().flat_map(|number| u32::try_from(number).expect("32 bits").to_ne_bytes());
    let places = header.into_iter().flat_map(|number| u16::try_from(number).expect("16 bits").to_ne_bytes());
    let mut settings: Vec<u8> = numbers.chain(places).chain(server).collect();
    settings.truncate(given("size", settings.len()));
    settings
}

fn number(text: &str) -> u32 {
    match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16).expect("a number"),
        None => text.parse().expect("a number"),
    }
}

fn flag_bit(flag: &str, initiates: bool) -> u32 {
    let (isc, asc) = match flag {
        "allow-missing-bindings" => (0, sspi::ASC_REQ_ALLOW_MISSING_BINDINGS),
        "confidentiality" => (sspi::ISC_REQ_CONFIDENTIALITY, sspi::ASC_REQ_CONFIDENTIALITY),
        "extended-error" => (sspi::ISC_REQ_EXTENDED_ERROR, sspi::ASC_REQ_EXTENDED_ERROR),
        "integrity" => (sspi::ISC_REQ_INTEGRITY, sspi::ASC_REQ_INTEGRITY),
        "mutual-auth" => (sspi::ISC_REQ_MUTUAL_AUTH, sspi::ASC_REQ_MUTUAL_AUTH),
        "null-session" => (sspi::ISC_REQ_NULL_SESSION, sspi::ASC_REQ_ALLOW_NULL_SESSION),
        "replay-detect" => (sspi::ISC_REQ_REPLAY_DETECT, sspi::ASC_REQ_REPLAY_DETECT),
        "sequence-detect" => (sspi::ISC_REQ_SEQUENCE_DETECT, sspi::ASC_REQ_SEQUENCE_DETECT),
        "use-dce-style" => (sspi::ISC_REQ_USE_DCE_STYLE, sspi::ASC_REQ_USE_DCE_STYLE),
        other => panic!("nobody knows the flag {other}"),
    };
    if initiates { isc } else { asc }
}

fn attribute_number(name: &str) -> u32 {
    match name {
        "AUTHORITY" => sspi::SECPKG_ATTR_AUTHORITY,
        "CLIENT-SPECIFIED-TARGET" => sspi::SECPKG_ATTR_CLIENT_SPECIFIED_TARGET,
        "CONNECTION-INFO" => sspi::SECPKG_ATTR_CONNECTION_INFO,
        "DCE-INFO" => sspi::SECPKG_ATTR_DCE_INFO,
        "ENDPOINT-BINDINGS" => sspi::SECPKG_ATTR_ENDPOINT_BINDINGS,
        "FLAGS" => sspi::SECPKG_ATTR_FLAGS,
        "KEY-INFO" => sspi::SECPKG_ATTR_KEY_INFO,
        "LAST-CLIENT-TOKEN-STATUS" => sspi::SECPKG_ATTR_LAST_CLIENT_TOKEN_STATUS,
        "LIFESPAN" => sspi::SECPKG_ATTR_LIFESPAN,
        "NAMES" => sspi::SECPKG_ATTR_NAMES,
        "NATIVE-NAMES" => sspi::SECPKG_ATTR_NATIVE_NAMES,
        "NEGOTIATION-INFO" => sspi::SECPKG_ATTR_NEGOTIATION_INFO,
        "PACKAGE-INFO" => sspi::SECPKG_ATTR_PACKAGE_INFO,
        "PASSWORD-EXPIRY" => sspi::SECPKG_ATTR_PASSWORD_EXPIRY,
        "REMOTE-CERT-CONTEXT" => sspi::SECPKG_ATTR_REMOTE_CERT_CONTEXT,
        "SESSION-KEY" => sspi::SECPKG_ATTR_SESSION_KEY,
        "SIZES" => sspi::SECPKG_ATTR_SIZES,
        "STREAM-SIZES" => sspi::SECPKG_ATTR_STREAM_SIZES,
        "TARGET-INFORMATION" => sspi::SECPKG_ATTR_TARGET_INFORMATION,
        "UNIQUE-BINDINGS" => sspi::SECPKG_ATTR_UNIQUE_BINDINGS,
        "USER-FLAGS" => sspi::SECPKG_ATTR_USER_FLAGS,
        "7777" => 7777,
        other => panic!("nobody knows the attribute {other}"),
    }
}

/// A status by its name, or FALSE.
pub(crate) fn shown(status: i32) -> String {
    match status {
        0 => "SEC_E_OK".to_owned(),
        FALSE => "FALSE".to_owned(),
        other => SecurityStatus::from_code(other)
            .map_or_else(|| format!("{:#010X}", other.cast_unsigned()), |status| status.name().to_owned()),
    }
}

/// What stands for a flush that failed.
pub(crate) const FALSE: i32 = 1;
