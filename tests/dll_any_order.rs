//! Any order of any calls, with handles and buffers of every kind, at the mock DLL's C ABI.

#[path = "support/any_call/mod.rs"]
mod any_call;
#[path = "support/context.rs"]
mod context;
#[path = "support/dll.rs"]
mod dll;

use any_call::{
    Bytes, Call, Descriptor, Given, Memory, OfContext, Pick, Place, Protect, Shape, Token, What, Who, World,
};
use context::configured;
use dll::Mock;
use proptest::{
    collection::vec,
    prelude::*,
    sample::{Index, select},
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use windows_sys::Win32::{
    Foundation::{SEC_E_OK, SEC_I_CONTINUE_NEEDED},
    Security::Authentication::Identity::{
        ISC_REQ_ALLOCATE_MEMORY, ISC_REQ_CONFIDENTIALITY, ISC_REQ_DELEGATE, ISC_REQ_INTEGRITY,
        ISC_REQ_MUTUAL_AUTH, ISC_REQ_SEQUENCE_DETECT, SECBUFFER_CHANGE_PASS_RESPONSE, SECBUFFER_DATA,
        SECBUFFER_PADDING, SECBUFFER_READONLY, SECBUFFER_READONLY_WITH_CHECKSUM, SECBUFFER_STREAM,
        SECBUFFER_TOKEN, SECPKG_CRED_ATTR_KDC_PROXY_SETTINGS as PROXY, SECPKG_CRED_BOTH,
        SECQOP_WRAP_NO_ENCRYPT,
    },
};

/// Everything that a configuration can switch on, where that lets more calls succeed.
const CONFIG: &str = "
[[package]]
name = 'MSN'

[[package]]
name = 'NTLM'

[[package]]
name = 'Kerberos'

[[package]]
name = 'Negotiate'

[[account]]
user = 'alice'
domain = 'CONTOSO'
password = 'correct horse'

[context]
impersonation = 'simulate'
";

/// What succeeds in some order of calls.
const SUCCEED: [&str; 20] = [
    "AcquireCredentialsHandle",
    "AddCredentials",
    "ChangeAccountPassword",
    "DecryptMessage",
    "DeleteSecurityContext",
    "EncryptMessage",
    "EnumerateSecurityPackages",
    "ExportSecurityContext",
    "FreeContextBuffer",
    "FreeCredentialsHandle",
    "ImpersonateSecurityContext",
    "ImportSecurityContext",
    "MakeSignature",
    "QueryContextAttributes",
    "QueryCredentialsAttributes",
    "QuerySecurityPackageInfo",
    "RevertSecurityContext",
    "SetCredentialsAttributes",
    "VerifySignature",
    "a handshake",
];

/// What refuses nothing that these cases try.
const BENIGN: [&str; 1] = ["EnumerateSecurityPackages"];

/// What goes on at least.
const STEPS: [&str; 2] = ["AcceptSecurityContext", "InitializeSecurityContext"];

/// What the mock never does.
const NEVER: [&str; 3] = ["ApplyControlToken", "QuerySecurityContextToken", "SetContextAttributes"];

/// How often at least, so that the cases can't come to be about nothing.
const ENOUGH: u32 = 25;

fn package() -> impl Strategy<Value = &'static str> {
    prop_oneof![8 => Just("NTLM"), 1 => select(vec!["MSN", "Kerberos", "Negotiate", "kerberos", "None", ""])]
}

fn pick() -> impl Strategy<Value = Pick> {
    prop_oneof![
        12 => any::<Index>().prop_map(Pick::Live),
        2 => any::<Index>().prop_map(Pick::Freed),
        1 => any::<Index>().prop_map(Pick::Other),
        1 => prop_oneof![0_usize..64, any::<usize>()].prop_map(Pick::Forged),
        1 => Just(Pick::Null),
    ]
}

fn token() -> impl Strategy<Value = Token> {
    prop_oneof![
        8 => Just(Token::Last),
        4 => any::<Index>().prop_map(Token::Sent),
        1 => any::<(Index, Index)>().prop_map(|(token, at)| Token::Cut(token, at)),
        1 => any::<(Index, Index)>().prop_map(|(token, at)| Token::Spoilt(token, at)),
        1 => vec(any::<u8>(), 0..200).prop_map(Token::Made),
        1 => Just(Token::None),
    ]
}

fn flags() -> impl Strategy<Value = u32> {
    const GOOD: u32 = ISC_REQ_CONFIDENTIALITY | ISC_REQ_INTEGRITY | ISC_REQ_SEQUENCE_DETECT;
    let known = [0, GOOD, GOOD | ISC_REQ_DELEGATE | ISC_REQ_MUTUAL_AUTH, GOOD | ISC_REQ_ALLOCATE_MEMORY];
    prop_oneof![4 => select(known.to_vec()), 1 => any::<u32>()]
}

fn given() -> impl Strategy<Value = Given> {
    let bindings = prop_oneof![
        12 => Just(None),
        1 => vec(any::<u8>(), 0..20).prop_map(|data| Some(context::bindings(&data))),
        1 => vec(any::<u8>(), 0..60).prop_map(Some),
    ];
    let room = prop_oneof![6 => Just(4096_usize), 1 => 0_usize..300];
    let target = select(vec![None, Some(""), Some("host/server"), Some("\u{fffd}/\u{1d11e}")]);
    (target, flags(), bindings, room).prop_map(|(target, flags, bindings, room)| Given {
        target,
        flags,
        bindings,
        room,
    })
}

fn shape() -> impl Strategy<Value = Shape> {
    let kinds = [
        SECBUFFER_TOKEN,
        SECBUFFER_TOKEN,
        SECBUFFER_DATA,
        SECBUFFER_DATA,
        SECBUFFER_PADDING,
        SECBUFFER_STREAM,
        SECBUFFER_DATA | SECBUFFER_READONLY,
        SECBUFFER_DATA | SECBUFFER_READONLY_WITH_CHECKSUM,
        SECBUFFER_STREAM | SECBUFFER_READONLY,
        SECBUFFER_TOKEN | SECBUFFER_READONLY,
    ];
    let bytes = prop_oneof![
        8 => (0_usize..80).prop_map(Bytes::Own),
        1 => select(vec![0, 1, 28, u32::MAX]).prop_map(Bytes::Null),
        1 => any::<(Index, Index)>().prop_map(|(of, at)| Bytes::Over(of, at)),
    ];
    let kind = prop_oneof![8 => select(kinds.to_vec()), 1 => any::<u32>()];
    (kind, bytes).prop_map(|(kind, bytes)| Shape { kind, bytes })
}

fn descriptor() -> impl Strategy<Value = Descriptor> {
    prop_oneof![
        12 => Just(Descriptor::Sound),
        1 => Just(Descriptor::Null),
        1 => (1_u32..).prop_map(Descriptor::Version),
        1 => any::<u32>().prop_map(Descriptor::WithoutBuffers),
    ]
}

fn place() -> impl Strategy<Value = Place> {
    prop_oneof![8 => Just(Place::Plain), 1 => Just(Place::Null), 2 => (0_u32..48).prop_map(Place::Sized)]
}

fn who() -> impl Strategy<Value = Who> {
    let flags = prop_oneof![0_u32..4, any::<u32>()];
    prop_oneof![
        4 => Just(Who::Named("alice", "correct horse")),
        1 => Just(Who::Named("alice", "wrong")),
        1 => Just(Who::Named("", "")),
        2 => Just(Who::Cached),
        1 => (flags, any::<u32>()).prop_map(|(flags, length)| Who::Odd(flags, length)),
    ]
}

/// Signing in and out, and what is asked about that.
fn of_credentials() -> impl Strategy<Value = What> {
    let credential_use = prop_oneof![6 => 1_u32..4, 1 => any::<u32>()];
    let attribute = prop_oneof![4 => Just(1_u32), 1 => any::<u32>()];
    let kind = select(vec![SECBUFFER_CHANGE_PASS_RESPONSE, SECBUFFER_TOKEN]);
    let proxy = prop_oneof![6 => Just(PROXY), 1 => any::<u32>()];
    let version = prop_oneof![6 => Just(1), 1 => any::<u32>()];
    let size = prop_oneof![6 => 24_usize..40, 1 => 0_usize..24];
    let memory = prop_oneof![
        6 => any::<Index>().prop_map(Memory::Held),
        1 => any::<usize>().prop_map(Memory::Forged),
        1 => Just(Memory::Null),
        2 => any::<Index>().prop_map(Memory::Released),
    ];
    prop_oneof![
        6 => (package(), credential_use, who())
            .prop_map(|(package, credential_use, who)| What::Acquire { package, credential_use, who }),
        2 => (pick(), package(), prop_oneof![6 => 1_u32..4, 1 => any::<u32>()], who()).prop_map(
            |(credential, package, credential_use, who)| What::Add { credential, package, credential_use, who }
        ),
        3 => (pick(), proxy, version, [0_u16..7, 0_u16..20], size)
            .prop_map(|(credential, attribute, version, lengths, size)| What::KdcProxy {
                credential,
                attribute,
                version,
                lengths,
                size,
            }),
        2 => pick().prop_map(What::Free),
        2 => (pick(), attribute, place()).prop_map(|(credential, attribute, place)| What::CredentialAttribute {
            credential,
            attribute,
            place,
        }),
        1 => (package(), select(vec!["correct horse", "wrong"]), kind, prop_oneof![4 => Just(0), 1 => 1_u32..])
            .prop_map(|(package, old, kind, reserved)| What::Change { package, old, kind, reserved }),
        1 => Just(What::Flush),
        1 => Just(What::Enumerate),
        1 => select(vec!["NTLM", "Kerberos", "kerberos", "None", ""]).prop_map(What::Package),
        2 => memory.prop_map(What::Release),
    ]
}

/// Handshakes, and contexts as a whole.
fn of_contexts() -> impl Strategy<Value = What> {
    let step = || (pick(), proptest::option::weighted(0.4, pick()), token(), given());
    let attribute = prop_oneof![6 => 0_u32..34, 1 => any::<u32>()];
    let function = select(vec![
        OfContext::ApplyControlToken,
        OfContext::Impersonate,
        OfContext::QueryToken,
        OfContext::Revert,
        OfContext::SetAttributes,
    ]);
    prop_oneof![
        4 => step().prop_map(|(credential, context, token, terms)| What::Initialize {
            credential,
            context,
            token,
            terms,
        }),
        4 => step()
            .prop_map(|(credential, context, token, terms)| What::Accept { credential, context, token, terms }),
        4 => (select(vec!["NTLM", "Kerberos", "Negotiate"]), flags())
            .prop_map(|(package, flags)| What::Shake { package, flags }),
        1 => pick().prop_map(What::Delete),
        3 => (pick(), attribute, place())
            .prop_map(|(context, attribute, place)| What::Attribute { context, attribute, place }),
        2 => (pick(), function).prop_map(|(context, function)| What::OfContext { function, context }),
        1 => (pick(), prop_oneof![4 => 0_u32..4, 1 => any::<u32>()])
            .prop_map(|(context, flags)| What::Export { context, flags }),
        1 => (package(), token()).prop_map(|(package, packed)| What::Import { package, packed }),
        1 => (pick(), package(), prop_oneof![3 => Just(false), 1 => Just(true)])
            .prop_map(|(context, package, spoilt)| What::Move { context, package, spoilt }),
        1 => (pick(), token()).prop_map(|(context, token)| What::Complete { context, token }),
    ]
}

fn of_messages() -> impl Strategy<Value = What> {
    let function = select(vec![Protect::Decrypt, Protect::Encrypt, Protect::Sign, Protect::Verify]);
    let qop = prop_oneof![4 => Just(0), 1 => Just(SECQOP_WRAP_NO_ENCRYPT), 1 => any::<u32>()];
    prop_oneof![
        2 => (function, pick(), qop, descriptor(), vec(shape(), 0..5)).prop_map(
            |(function, context, qop, descriptor, shapes)| What::Protect {
                function,
                context,
                qop,
                descriptor,
                shapes,
            }
        ),
        1 => (any::<Index>(), any::<bool>(), prop_oneof![3 => Just(false), 1 => Just(true)])
            .prop_map(|(pair, sealed, spoilt)| What::Talk { pair, sealed, spoilt }),
    ]
}

fn calls() -> impl Strategy<Value = Vec<Call>> {
    let alice = What::Acquire {
        package: "NTLM",
        credential_use: SECPKG_CRED_BOTH,
        who: Who::Named("alice", "correct horse"),
    };
    let shake = |package| What::Shake { package, flags: 0 };
    let first = [vec![], vec![alice.clone()], vec![alice, shake("NTLM")], vec![shake("Kerberos")]]
        .map(|first| first.into_iter().map(|what| Call { wide: true, what }).collect::<Vec<_>>());
    let first = select(first.to_vec());
    let what = prop_oneof![of_credentials().boxed(), of_contexts().boxed(), of_messages().boxed()];
    let others = vec((any::<bool>(), what).prop_map(|(wide, what)| Call { wide, what }), 1..40);
    (first, others).prop_map(|(first, others)| [first, others].concat())
}

/// Always the same cases, so that what fails once fails again.
#[track_caller]
fn any_order(test: &str, config: &str, cases: u32, check: impl FnOnce(&World<'_>)) {
    configured(test, config, || {
        let mock = Mock::own("MSNSSPC");
        let world = World::new(&mock);
        let config = Config { cases, failure_persistence: None, ..Config::default() };
        let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
        let outcome = runner.run(&calls(), |calls| {
            world.run(&calls);
            Ok(())
        });
        outcome.unwrap_or_else(|error| panic!("{error}"));
        check(&world);
    });
}

/// S5, S6
#[test]
fn any_order_of_any_calls_gets_documented_answers() {
    any_order("any_order_of_any_calls_gets_documented_answers", CONFIG, 2_000, |world| {
        for function in SUCCEED {
            let succeeded = world.count(function, SEC_E_OK);
            assert!(succeeded >= ENOUGH, "{function} rarely succeeds:\n{}", world.table());
        }
        for function in STEPS {
            let continued = world.count(function, SEC_I_CONTINUE_NEEDED);
            assert!(continued >= ENOUGH, "{function} rarely goes on:\n{}", world.table());
        }
        for function in SUCCEED.iter().chain(&STEPS).chain(&NEVER).filter(|name| !BENIGN.contains(name)) {
            assert!(world.refusals(function) >= ENOUGH, "{function} rarely refuses:\n{}", world.table());
        }
        for function in NEVER {
            assert_eq!(world.count(function, SEC_E_OK), 0, "{function}");
        }
    });
}

/// S3, S5, S6
#[test]
fn any_order_of_any_calls_gets_documented_answers_where_tokens_are_completed() {
    let test = "any_order_of_any_calls_gets_documented_answers_where_tokens_are_completed";
    any_order(test, &format!("{CONFIG}complete-tokens = true\n"), 500, |world| {
        for function in ["CompleteAuthToken", "DecryptMessage", "VerifySignature"] {
            let succeeded = world.count(function, SEC_E_OK);
            assert!(succeeded >= ENOUGH, "{function} rarely succeeds:\n{}", world.table());
        }
    });
}
