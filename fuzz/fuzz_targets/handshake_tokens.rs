//! Tokens of the handshake at the C ABI: a side that gets an altered one, or anything that came of one, never takes the other side
//! for proven; unaltered ones establish both sides.
#![no_main]

use arbitrary::{Result, Unstructured};
use libfuzzer_sys::{Corpus, fuzz_target};
use sspcache_tests::{
    any_call::{CONFIG, World},
    context::{Contexts, Stepped, Terms},
    dll::{Handle, Mock, Wide},
};
use windows_sys::Win32::{
    Foundation::{SEC_E_OK, SEC_I_CONTINUE_NEEDED},
    Security::Authentication::Identity::{
        ISC_REQ_CONFIDENTIALITY, ISC_REQ_INTEGRITY, ISC_REQ_MUTUAL_AUTH, ISC_REQ_SEQUENCE_DETECT,
        ISC_RET_MUTUAL_AUTH,
    },
};

thread_local! {
    static MOCK: &'static Mock = sspcache_fuzz::mock(CONFIG);
    static WORLD: World<'static> = World::new(MOCK.with(|mock| *mock));
}

const PACKAGES: [&str; 3] = ["NTLM", "Kerberos", "Negotiate"];

fuzz_target!(|input: &[u8]| -> Corpus {
    let mock = MOCK.with(|mock| *mock);
    let contexts = mock.contexts::<Wide>();
    let mut input = Unstructured::new(input);
    let Ok(package) = input.choose(&PACKAGES) else { return Corpus::Reject };
    let credentials = [contexts.client(package, "correct horse"), contexts.server(package)];
    let shaken = WORLD.with(|world| shake(world, &contexts, &credentials, &mut input));
    for credential in &credentials {
        assert_eq!(mock.sspi::<Wide>().free(credential), SEC_E_OK);
    }
    assert!(mock.flush());
    if shaken.is_ok() { Corpus::Keep } else { Corpus::Reject }
});

/// A handshake between two sides, one step each, until both are done, one refuses, or the input ends it.
fn shake(
    world: &World<'_>,
    contexts: &Contexts<'_, Wide>,
    [client, server]: &[Handle; 2],
    input: &mut Unstructured<'_>,
) -> Result<()> {
    let bindings = if input.ratio(1, 8)? { Some(input.bytes(input.len().min(48))?.to_vec()) } else { None };
    let terms = [terms(input)?, Terms { bindings: bindings.as_deref(), ..terms(input)? }];
    let mut sides: [Option<Stepped>; 2] = [None, None];
    let (mut altered, mut refused) = (false, false);
    let mut token: Option<Vec<u8>> = None;
    for turn in 0..6 {
        let side = turn % 2;
        let context = sides[side].as_ref().map(|stepped| stepped.context);
        if sides[side].as_ref().is_some_and(|stepped| stepped.status == SEC_E_OK) {
            break;
        }
        let delivered = match &token {
            // The initiator's first step gets none, or what means nothing.
            None if input.ratio(7, 8)? => None,
            None => Some(input.bytes(input.len().min(16))?.to_vec()),
            Some(token) => {
                let delivered = alter(token, input)?;
                altered |= delivered != *token;
                Some(delivered)
            }
        };
        let stepped = if side == 0 {
            contexts.initialize(Some(client), context, delivered.as_deref(), &terms[0])
        } else {
            contexts.accept(Some(server), context, delivered.as_deref(), &terms[1])
        };
        let name = ["InitializeSecurityContext", "AcceptSecurityContext"][side];
        world.note_step(name, stepped.status, delivered.as_deref());
        // Without mutual authentication the initiator is done with its own proof, and takes nothing for proven.
        let proven = side == 1 || stepped.flags & ISC_RET_MUTUAL_AUTH != 0;
        assert!(!altered || stepped.status != SEC_E_OK || !proven, "{name} believes an altered token");
        let goes_on = matches!(stepped.status, SEC_E_OK | SEC_I_CONTINUE_NEEDED);
        if goes_on {
            token = Some(stepped.token.clone());
            sides[side] = Some(stepped);
        } else {
            refused = true;
            break;
        }
    }
    let done = sides.iter().flatten().filter(|stepped| stepped.status == SEC_E_OK).count();
    // Without alterations or terms that one side refuses, both are done.
    assert!(altered || refused || done == 2, "{sides:?}");
    for stepped in sides.iter().flatten() {
        assert_eq!(contexts.delete(&raw const stepped.context), SEC_E_OK);
        assert_ne!(contexts.delete(&raw const stepped.context), SEC_E_OK);
    }
    Ok(())
}

/// What a side asks for: flags that contexts have, and room that is enough or not.
fn terms(input: &mut Unstructured<'_>) -> Result<Terms<'static>> {
    const FLAGS: u32 =
        ISC_REQ_CONFIDENTIALITY | ISC_REQ_INTEGRITY | ISC_REQ_MUTUAL_AUTH | ISC_REQ_SEQUENCE_DETECT;
    let flags: u32 = if input.ratio(1, 4)? { input.arbitrary()? } else { FLAGS };
    let room = if input.ratio(1, 16)? { input.int_in_range(0..=300)? } else { 4096 };
    Ok(Terms { target: *input.choose(&[None, Some("host/server")])?, flags, bindings: None, room })
}

/// A token as it arrives: as it was sent, more often than not.
fn alter(token: &[u8], input: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let mut token = token.to_vec();
    match input.int_in_range(0..=15)? {
        0 => {
            let at = input.choose_index(token.len().max(1))?;
            if let Some(byte) = token.get_mut(at) {
                *byte ^= input.arbitrary::<u8>()?;
            }
        }
        1 => token.truncate(input.choose_index(token.len() + 1)?),
        2 => {
            let at = input.choose_index(token.len() + 1)?;
            token.insert(at, input.arbitrary()?);
        }
        3 => {
            let at = input.choose_index(token.len().max(1))?;
            let word: [u8; 4] = input.arbitrary()?;
            token.iter_mut().skip(at).zip(word).for_each(|(byte, new)| *byte = new);
        }
        // Made by neither side, behind what every token begins with or not.
        4 => {
            let kept = input.choose_index(token.len().min(16) + 1)?;
            token.truncate(kept);
            token.extend(input.bytes(input.len().min(200))?);
        }
        _ => {}
    }
    Ok(token)
}
