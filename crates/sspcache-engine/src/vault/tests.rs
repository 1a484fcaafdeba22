//! The vault as a whole, seen from outside and, through [`holds`], from inside: whether a secret's bytes are anywhere
//! in the memory that secrets live in.

use std::num::NonZeroU32;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use proptest::prelude::*;

use super::pages::tests::{GIVEN_BACK, GivenBack, REFUSED, Refused};
use super::slab::{LARGEST_CLASS, REGION};
use super::*;

/// Each way for a credential to go: what it is called, what brings it about, and the reason that is told.
struct Way {
    name: &'static str,
    reason: Option<Reason>,
    go: Go,
}

type Go = fn(&mut Vault, Slot, &mut dyn FnMut(Gone<'_>));

/// `alice` is the only credential of a vault of one; she expires at [`EXPIRES`].
const WAYS: &[Way] = &[
    Way { name: "flush", reason: None, go: |vault, _, _| assert_eq!(vault.flush(), 1) },
    Way { name: "removal", reason: None, go: |vault, slot, _| assert!(vault.remove(slot)) },
    Way {
        name: "replacement",
        reason: Some(Reason::Replaced),
        go: |vault, old, on_gone| {
            let inserted = vault.insert(new(&utf16("alice"), &secret(20, 9)), on_gone).unwrap();
            assert_eq!(inserted.how, How::Replaced { old });
        },
    },
    Way {
        name: "replacement by a long one",
        reason: Some(Reason::Replaced),
        go: |vault, old, on_gone| {
            let inserted = vault.insert(new(&utf16("ALICE"), &secret(5000, 9)), on_gone).unwrap();
            assert_eq!(inserted.how, How::Replaced { old });
        },
    },
    Way {
        name: "eviction",
        reason: Some(Reason::Evicted),
        go: |vault, _, on_gone| {
            let inserted = vault.insert(new(&utf16("bob"), &secret(40, 9)), on_gone).unwrap();
            assert_eq!(inserted.how, How::Added);
        },
    },
    Way {
        name: "expiry",
        reason: Some(Reason::Expired),
        go: |vault, _, on_gone| vault.sweep(EXPIRES, on_gone),
    },
];

/// M3, M7: secrets in cells, in chunks, longer than a page, and in pages of their own.
#[test]
fn however_a_credential_goes_its_secret_is_overwritten() {
    for Way { name, reason, go } in WAYS {
        for len in LENGTHS {
            let case = format!("{name}, {len} bytes");
            let secret = secret(len, 1);
            let (mut vault, slot) = alone(&secret);
            assert!(holds(&vault, &secret), "{case}");

            let mut told = Vec::new();
            go(&mut vault, slot, &mut |gone| {
                assert_eq!((gone.slot, gone.entry.secret()), (slot, &*secret), "{case}");
                assert_eq!(gone.entry.user(), utf16("alice"), "{case}");
                told.push(gone.reason);
            });
            assert_eq!(told, reason.as_slice(), "{case}");
            assert!(!holds(&vault, &secret), "{case}");
            assert!(vault.get(slot).is_none(), "{case}");
            assert!(!vault.remove(slot), "{case}");
        }
    }
}

/// M7: dropped in the ordinary way, or because a panic unwinds through its owner.
#[test]
fn a_dropped_vault_gives_its_pages_back_wiped() {
    fn unwind(vault: Vault) {
        let panic = catch_unwind(AssertUnwindSafe(move || {
            let _vault = vault;
            resume_unwind(Box::new(()));
        }));
        assert!(panic.is_err());
    }
    for (name, drop) in [("drop", drop as fn(Vault)), ("unwind", unwind)] {
        let mut vault = Vault::new(Limits::default());
        for (number, len) in LENGTHS.into_iter().enumerate() {
            insert(&mut vault, &format!("user{number}"), &secret(len, 1));
        }
        let before = GIVEN_BACK.take();
        drop(vault);
        let GivenBack { wiped, unwiped } = GIVEN_BACK.replace(before);
        assert!(wiped >= 2, "{name}: a region, pages of their own");
        assert_eq!(unwiped, 0, "{name}");
    }
}

/// M3, M7: others may sign in while secrets are being overwritten.
#[test]
fn what_is_emptied_is_gone_at_once_and_its_memory_serves_again() {
    let (mut vault, slot) = alone(&secret(20, 1));
    let memory = vault.memory();
    let mut emptied = vault.empty();
    assert!(vault.is_empty() && vault.get(slot).is_none() && vault.find(key(&utf16("alice"))).is_none());
    emptied.wipe();
    assert!(vault.reuse(emptied).is_none());
    assert_eq!(vault.memory(), memory);
    assert!(is_wiped(&vault));
    assert_ne!(insert(&mut vault, "alice", &secret(20, 1)), slot, "what was void stays so");

    let emptied = vault.empty();
    let bob = insert(&mut vault, "bob", &secret(20, 2));
    let unused = vault.reuse(emptied).expect("the vault has memory of bob's");
    assert_eq!(vault.get(bob).expect("he came after").secret(), secret(20, 2));
    assert!(vault.find(key(&utf16("alice"))).is_none());
    let before = GIVEN_BACK.take();
    drop(unused);
    let GivenBack { wiped, unwiped } = GIVEN_BACK.replace(before);
    assert_eq!((wiped > 0, unwiped), (true, 0), "wiped by nobody else");
}

/// M7
#[test]
fn pages_of_a_long_secret_go_back_wiped() {
    for Way { name, go, .. } in WAYS {
        let (mut vault, slot) = alone(&secret(LARGEST_CLASS + 1, 1));
        let before = GIVEN_BACK.take();
        go(&mut vault, slot, &mut |_| {});
        assert_eq!(GIVEN_BACK.replace(before), GivenBack { wiped: 1, unwiped: 0 }, "{name}");
    }
}

/// M7: what nobody could be told of is not gone; and a flush reaches what was on its way in, too.
#[test]
fn a_panic_while_a_credential_goes_leaves_a_vault_that_works() {
    for Way { name, reason, go } in WAYS.iter().filter(|way| way.reason.is_some()) {
        for len in LENGTHS {
            let case = format!("{name}, {len} bytes");
            let secret = secret(len, 1);
            let (mut vault, slot) = alone(&secret);
            let panicking = || go(&mut vault, slot, &mut |_| resume_unwind(Box::new(())));
            assert!(catch_unwind(AssertUnwindSafe(panicking)).is_err(), "{case}");
            assert_eq!(vault.get(slot).map(Entry::secret), Some(&*secret), "{case}");
            assert_eq!((vault.len(), vault.find(key(&utf16("alice")))), (1, Some(slot)), "{case}");

            let mut told = Vec::new();
            go(&mut vault, slot, &mut |gone| told.push(gone.reason));
            assert_eq!(told, reason.as_slice(), "{case}");
            vault.flush();
            assert!(is_wiped(&vault), "{case}");
        }
    }
}

/// M7: from every length to every other.
#[test]
fn a_replaced_secret_leaves_nothing_and_the_new_one_is_whole() {
    for (old, new) in LENGTHS.into_iter().flat_map(|old| LENGTHS.map(|new| (old, new))) {
        let [old, new] = [secret(old, 1), secret(new, 2)];
        let (mut vault, first) = alone(&old);
        let second = insert(&mut vault, "Alice", &new);
        let case = format!("{} by {} bytes", old.len(), new.len());
        assert!(vault.get(first).is_none() && !holds(&vault, &old), "{case}");
        assert_eq!(vault.get(second).map(Entry::secret), Some(&*new), "{case}");
        assert_eq!(vault.get(second).map(Entry::user), Some(&*utf16("alice")), "{case}");
    }
}

#[test]
fn a_void_slot_stays_void_when_its_place_is_taken_again() {
    let (mut vault, first) = alone(b"first");
    let mut void = vec![first];
    for round in 0..4 {
        for Way { name, go, .. } in WAYS {
            let last = *void.last().unwrap();
            go(&mut vault, last, &mut |_| {});
            vault.flush();
            let slot = insert(&mut vault, "alice", b"next");
            assert!(!void.contains(&slot), "{name} in round {round}");
            assert_eq!(slot.number, first.number, "the place is used again, or this shows nothing");
            assert!(void.iter().all(|&slot| vault.get(slot).is_none() && !vault.remove(slot)), "{name}");
            assert_eq!(vault.get(slot).map(Entry::secret), Some(&b"next"[..]), "{name}");
            void.push(slot);
        }
    }
}

#[test]
fn a_slot_fits_in_one_word_that_is_never_zero() {
    let mut vault = Vault::new(Limits::default());
    for number in 0..5 {
        let slot = insert(&mut vault, &format!("user{number}"), b"x");
        assert_ne!(slot.to_u64(), 0);
        assert_eq!(Slot::from_u64(slot.to_u64()), slot);
    }
    for forged in [0, 1, u64::MAX, u64::from(u32::MAX), 1 << 32 | 5, 9 << 32] {
        assert!(vault.get(Slot::from_u64(forged)).is_none(), "{forged:#x}");
        assert!(!vault.remove(Slot::from_u64(forged)), "{forged:#x}");
    }
}

/// M1: the names' lengths are on both sides of what a record holds itself.
#[test]
fn a_credential_is_found_by_package_user_and_domain_in_any_case() {
    let long = "x".repeat(50);
    let names = [
        "",
        "a",
        "alice",
        "renée",
        "åke.ström@contoso.example",
        "an-user-of-forty-units-0123456789-abcde",
        &long,
    ];
    let mut vault = Vault::new(Limits::default());
    let mut slots = Vec::new();
    // All with all; for Miri, each once.
    let all = || names.iter().enumerate();
    let pairs = all()
        .flat_map(|user| all().map(move |domain| (user, domain)))
        .filter(|((one, _), (other, _))| !cfg!(miri) || one + other + 1 == names.len())
        .map(|((_, user), (_, domain))| (*user, *domain));
    for package in [0, 1, 7] {
        for (user, domain) in pairs.clone() {
            let secret = format!("{package} {user} {domain}").into_bytes();
            let [units, realm] = [user, domain].map(utf16);
            let key = KeyRef { package, user: &units, domain: &realm };
            let new = NewCredential { key, ..new(&units, &secret) };
            let Inserted { slot, how } = vault.insert(new, &mut |_| {}).unwrap();
            assert_eq!(how, How::Added, "{package} {user} {domain}");
            slots.push((package, user, domain, slot, secret));
        }
    }
    assert_eq!(vault.len(), slots.len());
    for (package, user, domain, slot, secret) in &slots {
        for fold in [str::to_owned, str::to_uppercase, str::to_lowercase] {
            let [units, realm] = [user, domain].map(|name| utf16(&fold(name)));
            let key = KeyRef { package: *package, user: &units, domain: &realm };
            assert_eq!(vault.find(key), Some(*slot), "{package} {user} {domain}");
            assert_eq!(vault.find(KeyRef { package: 2, ..key }), None);
        }
        let entry = vault.get(*slot).unwrap();
        assert_eq!((entry.package(), entry.secret()), (*package, &**secret));
        assert_eq!((entry.user(), entry.domain()), (&*utf16(user), &*utf16(domain)));
    }
    // Removing half, and finding the other half: the index has graves, long names have gaps.
    for (.., slot, _) in slots.iter().step_by(2) {
        assert!(vault.remove(*slot));
    }
    for (at, (package, user, domain, slot, _)) in slots.iter().enumerate() {
        let [units, realm] = [user, domain].map(|name| utf16(name));
        let found = vault.find(KeyRef { package: *package, user: &units, domain: &realm });
        assert_eq!(found, (at % 2 == 1).then_some(*slot), "{package} {user} {domain}");
    }
}

#[test]
fn the_same_secret_again_renews_and_voids_no_slot() {
    let (mut vault, slot) = alone(b"correct horse");
    let mut on_gone = |_: Gone<'_>| panic!("nothing goes");
    let (alice, secret) = (utf16("Alice"), b"correct horse");
    let renewed = NewCredential { cached_at: 5, expires: EXPIRES + 5, ..new(&alice, secret) };
    let again = vault.insert(renewed, &mut on_gone).unwrap();
    assert_eq!(again, Inserted { slot, how: How::Refreshed });
    let entry = vault.get(slot).unwrap();
    assert_eq!((entry.cached_at(), entry.expires(), vault.len()), (5, EXPIRES + 5, 1));
    vault.sweep(EXPIRES, &mut on_gone);
    assert_eq!(vault.next_expiry(), Some(EXPIRES + 5));
    // The same bytes of another kind are another secret.
    let other = vault.insert(NewCredential { kind: 1, ..renewed }, &mut |_| {}).unwrap();
    assert_eq!(other.how, How::Replaced { old: slot });
}

/// M2: used often enough for outdated uses to be dropped in between.
#[test]
fn the_most_recently_used_credential_of_a_package_comes_first() {
    let mut vault = Vault::new(Limits::default());
    let count = if cfg!(miri) { 40 } else { 300 };
    let mut used: Vec<_> = (0..count)
        .map(|number| {
            let user = utf16(&format!("user{number}"));
            let key = KeyRef { package: number % 3, user: &user, domain: &[] };
            (number % 3, vault.insert(NewCredential { key, ..new(&user, b"x") }, &mut |_| {}).unwrap().slot)
        })
        .collect();
    for step in 0..2 * usize::from(count) {
        let (package, slot) = used.remove(step * 7919 % used.len());
        let name = vault.get(slot).unwrap().user().to_vec();
        assert_eq!(vault.find(KeyRef { package, user: &name, domain: &[] }), Some(slot));
        used.push((package, slot));
    }
    assert_eq!(vault.most_recent(3), None);
    while let Some(&(package, slot)) = used.last() {
        assert_eq!(vault.most_recent(package), Some(slot), "{} are left", used.len());
        vault.remove(slot);
        used.pop();
    }
    assert!((0..3).all(|package| vault.most_recent(package).is_none()));
}

/// M9
#[test]
fn beyond_its_capacity_the_vault_drops_what_was_used_least_recently() {
    for capacity in if cfg!(miri) { [1, 2, 20] } else { [1, 2, 300] } {
        let mut vault = Vault::new(Limits { capacity: NonZeroU32::new(capacity) });
        let mut order: Vec<_> = (0..capacity).map(|number| format!("user{number}")).collect();
        for user in &order {
            insert(&mut vault, user, b"x");
        }
        for step in 0..2 * capacity as usize {
            let user = order.remove(step * 7919 % order.len());
            assert!(vault.find(key(&utf16(&user))).is_some());
            order.push(user);
        }
        for number in 0..2 * capacity {
            let (mut gone, user) = (Vec::new(), format!("late{number}"));
            let mut on_gone =
                |it: Gone<'_>| gone.push((it.reason, String::from_utf16_lossy(it.entry.user())));
            vault.insert(new(&utf16(&user), b"y"), &mut on_gone).unwrap();
            assert_eq!(gone, [(Reason::Evicted, order.remove(0))], "capacity {capacity}");
            assert_eq!(vault.len(), capacity as usize);
            order.push(user);
        }
    }
}

/// M9
#[test]
fn credentials_expire_soonest_first_and_none_before_its_time() {
    let mut vault = Vault::new(Limits::default());
    for (user, expires) in [("c", 30), ("never", NEVER), ("a", 10), ("moved", 15), ("b", 20), ("gone", 5)] {
        vault.insert(NewCredential { expires, ..new(&utf16(user), b"x") }, &mut |_| {}).unwrap();
    }
    vault.insert(NewCredential { expires: 25, ..new(&utf16("moved"), b"x") }, &mut |_| {}).unwrap();
    let gone = vault.find(key(&utf16("gone"))).unwrap();
    vault.remove(gone);
    let swept = |vault: &mut Vault, now| {
        let mut users = Vec::new();
        vault.sweep(now, &mut |gone| users.push(String::from_utf16_lossy(gone.entry.user())));
        (users.join(" "), vault.next_expiry())
    };
    for (now, users, next) in [
        (9, "", Some(10)),
        (10, "a", Some(20)),
        (10, "", Some(20)),
        (29, "b moved", Some(30)),
        (NEVER - 1, "c", None),
        (NEVER, "", None),
    ] {
        assert_eq!(swept(&mut vault, now), (users.to_owned(), next), "at {now}");
    }
    assert_eq!(vault.len(), 1);
}

/// Renewing again and again leaves former uses behind, which mustn't pile up, and no former expiry.
#[test]
fn what_is_no_longer_true_takes_no_memory() {
    let mut vault = Vault::new(Limits::default());
    vault.insert(NewCredential { expires: 50, ..new(&utf16("bob"), b"x") }, &mut |_| {}).unwrap();
    let times = if cfg!(miri) { 150 } else { 1000 };
    for time in 0..times {
        let alice = utf16("alice");
        let alice = NewCredential { cached_at: time, expires: time + 100, ..new(&alice, b"x") };
        vault.insert(alice, &mut |_| {}).unwrap();
        assert_eq!((vault.next_expiry(), vault.store.expiries.len()), (Some(50), 2));
        assert!(vault.store.recency.len() < 150, "{}", vault.store.recency.len());
    }
    vault.sweep(50, &mut |_| {});
    assert_eq!(vault.next_expiry(), Some(times - 1 + 100));
}

#[test]
fn credentials_that_come_and_go_take_no_more_memory() {
    let mut vault = Vault::new(Limits::default());
    let mut memory = None;
    for round in 0..if cfg!(miri) { 4 } else { 100 } {
        let long_name = "x".repeat(60);
        let slots: Vec<_> = ["alice", "bob", &long_name]
            .into_iter()
            .zip([16, 100, 5000])
            .map(|(user, len)| insert(&mut vault, user, &secret(len, 1)))
            .collect();
        let places: Vec<_> = slots.iter().map(|slot| slot.number).collect();
        for slot in slots {
            vault.remove(slot);
        }
        // Most recently removed, first used again.
        let expected = if round % 2 == 0 { [0, 1, 2] } else { [2, 1, 0] };
        assert_eq!(places, expected, "in round {round}");
        assert_eq!(*memory.get_or_insert(vault.memory()), vault.memory(), "in round {round}");
    }
}

/// M7: nothing grows by copying, or copies would be left behind.
#[test]
fn secrets_never_move_when_more_come() {
    let mut vault = Vault::new(Limits::default());
    let early: Vec<_> = LENGTHS
        .into_iter()
        .enumerate()
        .map(|(number, len)| insert(&mut vault, &format!("early{number}"), &secret(len, 1)))
        .collect();
    let places = |vault: &Vault| -> Vec<_> {
        early.iter().map(|&slot| vault.get(slot).map(|entry| entry.secret().as_ptr())).collect()
    };
    let before = places(&vault);
    let regions = vault.memory().secret_bytes;
    let mut number = 0;
    while vault.memory().secret_bytes < regions + 2 * REGION {
        insert(&mut vault, &format!("late{number}"), &secret(if cfg!(miri) { 1000 } else { 32 }, 2));
        number += 1;
    }
    assert_eq!(places(&vault), before);
    for (slot, len) in early.iter().zip(LENGTHS) {
        assert_eq!(vault.get(*slot).map(Entry::secret), Some(&*secret(len, 1)));
    }
    assert_eq!(vault.flush(), number + LENGTHS.len());
    assert!(is_wiped(&vault));
    // The memory is kept for the next ones.
    let memory = vault.memory();
    insert(&mut vault, "alice", b"x");
    assert_eq!(vault.memory(), memory);
}

/// A limit on locked memory is the rule: 8 MiB on Linux, some 200 KB on Windows.
#[test]
fn a_system_that_locks_nothing_keeps_secrets_all_the_same() {
    let refused = REFUSED.replace(Refused { locks: true, maps: false });
    let mut vault = Vault::new(Limits::default());
    for (number, len) in LENGTHS.into_iter().enumerate() {
        let slot = insert(&mut vault, &format!("user{number}"), &secret(len, 1));
        assert_eq!(vault.get(slot).map(Entry::secret), Some(&*secret(len, 1)), "{len} bytes");
    }
    assert!(vault.memory().lock_refused);
    assert_eq!(vault.memory().locked_bytes, 0);
    vault.flush();
    assert!(is_wiped(&vault));
    REFUSED.set(refused);
}

#[test]
fn an_insertion_that_finds_no_memory_changes_nothing() {
    let [x, full, long] = [1, LARGEST_CLASS, LARGEST_CLASS + 1].map(|len| secret(len, 1));
    for (case, cached, count, user, secret) in [
        ("an eviction for the sake of a long secret", &x, 3, "new", &long),
        ("a replacement by a long secret", &x, 3, "user0", &long),
        ("a secret beyond a full region", &full, REGION / LARGEST_CLASS, "new", &full),
    ] {
        let mut vault = Vault::new(Limits { capacity: NonZeroU32::new(u32::try_from(count).unwrap()) });
        for number in 0..count {
            insert(&mut vault, &format!("user{number}"), cached);
        }
        let refused = REFUSED.replace(Refused { maps: true, locks: false });
        let mut on_gone = |_: Gone<'_>| panic!("{case}: nothing goes");
        let result = vault.insert(new(&utf16(user), secret), &mut on_gone);
        REFUSED.set(refused);
        assert_eq!(result, Err(OutOfMemory), "{case}");
        assert_eq!(vault.len(), count, "{case}");
        assert!(vault.iter().all(|(_, entry)| entry.secret() == cached), "{case}");
        vault.insert(new(&utf16(user), secret), &mut |_| {}).expect(case);
        vault.flush();
        assert!(is_wiped(&vault), "{case}");
    }
}

/// M8
#[test]
fn nothing_that_can_be_printed_shows_a_secret() {
    let (mut vault, slot) = alone(b"AAAAAAAA");
    let mut shown = vec![format!("{vault:?} {:?} {slot:?}", vault.get(slot))];
    let mut on_gone = |gone: Gone<'_>| shown.push(format!("{gone:?}"));
    let inserted = vault.insert(new(&utf16("alice"), b"BBBBBBBB"), &mut on_gone);
    shown.push(format!("{inserted:?} {OutOfMemory} {vault:?}"));
    let shown = shown.concat();
    assert!(shown.contains("alice"), "{shown}");
    for bytes in ["AAAA", "65, 65", "41, 41", "BBBB", "66, 66"] {
        assert!(!shown.contains(bytes), "{shown}");
    }
}

/// M8
#[test]
#[cfg(all(target_os = "linux", not(miri)))]
fn a_forked_child_knows_that_it_is_one_and_has_no_secret() {
    let mut vault = Vault::new(Limits::default());
    let slots = LENGTHS.map(|len| insert(&mut vault, &format!("user{len}"), &secret(len, 1)));
    assert!(!vault.is_forked());
    let status = super::pages::tests::in_forked_child(|| {
        let secrets = slots.iter().filter_map(|&slot| vault.get(slot)).map(Entry::secret);
        let zeros = secrets.filter(|secret| secret.iter().all(|&byte| byte == 0)).count();
        u8::from(vault.is_forked()) | u8::from(zeros == LENGTHS.len()) << 1
    });
    assert_eq!(status, 0b11);
    assert_eq!(vault.get(slots[0]).map(Entry::secret), Some(&*secret(LENGTHS[0], 1)));
}

/// A vault without any of what makes the real one quick: credentials in a list, the least recently used first.
#[derive(Default)]
struct Model {
    cached: Vec<Cached>,
    capacity: usize,
}

#[derive(Clone, Debug, PartialEq)]
struct Cached {
    slot: Slot,
    package: u16,
    user: u8,
    secret: Vec<u8>,
    expires: u64,
}

#[derive(Clone, Debug)]
enum Step {
    Find { package: u16, user: u8 },
    Flush,
    Insert { package: u16, user: u8, secret: u8, len: usize, expires: u64 },
    MostRecent { package: u16 },
    Remove { nth: usize },
    Sweep { now: u64 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let (package, user) = (0..2_u16, 0..12_u8);
    let expires = prop_oneof![3 => Just(NEVER), 2 => 0..100_u64];
    let len = prop_oneof![16..33_usize, 33..80_usize, Just(5000)];
    let insert = (package.clone(), user.clone(), SEEDS, len, expires);
    let step = prop_oneof![
        8 => insert.prop_map(|(package, user, secret, len, expires)|
            Step::Insert { package, user, secret, len, expires }),
        4 => (package.clone(), user).prop_map(|(package, user)| Step::Find { package, user }),
        2 => package.prop_map(|package| Step::MostRecent { package }),
        2 => (0..12_usize).prop_map(|nth| Step::Remove { nth }),
        1 => (0..100_u64).prop_map(|now| Step::Sweep { now }),
        1 => Just(Step::Flush),
    ];
    proptest::collection::vec(step, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if cfg!(miri) { 1 } else { 256 },
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// M1, M2, M3, M7, M9
    #[test]
    fn any_sequence_of_operations_agrees_with_a_plain_list(steps in steps(), capacity in 1..10_u32) {
        let mut vault = Vault::new(Limits { capacity: NonZeroU32::new(capacity) });
        let mut model = Model { cached: Vec::new(), capacity: capacity as usize };
        for step in &steps {
            model.step(&mut vault, step)?;
        }
        for secret in SEEDS.map(|seed| secret(16, seed)) {
            let live = model.cached.iter().any(|it| it.secret.starts_with(&secret));
            prop_assert_eq!(holds(&vault, &secret), live);
        }
        vault.flush();
        prop_assert!(is_wiped(&vault));
    }
}

impl Model {
    /// Does the same to the vault and to the list, and compares what they say.
    fn step(&mut self, vault: &mut Vault, step: &Step) -> Result<(), TestCaseError> {
        let mut gone = Vec::new();
        let mut on_gone = |it: Gone<'_>| gone.push((it.reason, it.slot));
        let name = |user: u8| utf16(&format!("user{user}"));
        let mut expected = Vec::new();
        match *step {
            Step::Find { package, user } => {
                let found = vault.find(KeyRef { package, user: &name(user), domain: &[] });
                let at = self.cached.iter().position(|it| (it.package, it.user) == (package, user));
                prop_assert_eq!(found, at.map(|at| self.touch(at)));
            }
            Step::Flush => {
                prop_assert_eq!(vault.flush(), self.cached.len());
                self.cached.clear();
            }
            Step::Insert { package, user, secret: seed, len, expires } => {
                let (secret, name) = (secret(len, seed), name(user));
                let key = KeyRef { package, ..key(&name) };
                let new = NewCredential { key, expires, ..new(&name, &secret) };
                let Inserted { slot, how } = vault.insert(new, &mut on_gone).expect("memory");
                let old = self.cached.iter().position(|it| (it.package, it.user) == (package, user));
                let expected_how = match old.map(|at| self.cached.remove(at)) {
                    None if self.cached.len() == self.capacity => {
                        expected.push((Reason::Evicted, self.cached.remove(0).slot));
                        How::Added
                    }
                    None => How::Added,
                    Some(old) if old.secret == secret => {
                        prop_assert_eq!(slot, old.slot);
                        How::Refreshed
                    }
                    Some(Cached { slot: old, .. }) => {
                        expected.push((Reason::Replaced, old));
                        How::Replaced { old }
                    }
                };
                prop_assert_eq!(how, expected_how);
                self.cached.push(Cached { slot, package, user, secret, expires });
            }
            Step::MostRecent { package } => {
                let at = self.cached.iter().rposition(|it| it.package == package);
                prop_assert_eq!(vault.most_recent(package), at.map(|at| self.touch(at)));
            }
            Step::Remove { nth } => {
                if nth < self.cached.len() {
                    prop_assert!(vault.remove(self.cached.remove(nth).slot));
                }
            }
            Step::Sweep { now } => {
                vault.sweep(now, &mut on_gone);
                let expired = self.cached.extract_if(.., |it| it.expires <= now);
                let mut expired: Vec<_> = expired.map(|it| (it.expires, it.slot)).collect();
                expired.sort_unstable();
                expected.extend(expired.into_iter().map(|(_, slot)| (Reason::Expired, slot)));
            }
        }
        prop_assert_eq!(gone, expected);
        prop_assert_eq!(vault.len(), self.cached.len());
        prop_assert_eq!(vault.iter().count(), self.cached.len());
        let soonest = self.cached.iter().map(|it| it.expires).filter(|&expires| expires != NEVER).min();
        prop_assert_eq!(vault.next_expiry(), soonest);
        for it in &self.cached {
            let entry = vault.get(it.slot).expect("it is cached");
            prop_assert_eq!((entry.package(), entry.secret()), (it.package, &*it.secret));
            prop_assert_eq!(entry.user(), name(it.user));
        }
        Ok(())
    }

    fn touch(&mut self, at: usize) -> Slot {
        let it = self.cached.remove(at);
        let slot = it.slot;
        self.cached.push(it);
        slot
    }
}

/// A vault with room for one credential, `alice`'s.
fn alone(secret: &[u8]) -> (Vault, Slot) {
    let mut vault = Vault::new(Limits { capacity: NonZeroU32::new(1) });
    let alice = utf16("alice");
    let alice = NewCredential { expires: EXPIRES, ..new(&alice, secret) };
    let slot = vault.insert(alice, &mut |_| {}).unwrap().slot;
    (vault, slot)
}

fn insert(vault: &mut Vault, user: &str, secret: &[u8]) -> Slot {
    vault.insert(new(&utf16(user), secret), &mut |_| {}).unwrap().slot
}

/// A credential that never expires.
fn new<'a>(user: &'a [u16], secret: &'a [u8]) -> NewCredential<'a> {
    NewCredential { key: key(user), kind: 0, secret, cached_at: 0, expires: NEVER }
}

/// A key without a domain.
fn key(user: &[u16]) -> KeyRef<'_> {
    KeyRef { package: 0, user, domain: &[] }
}

fn utf16(text: &str) -> Vec<u16> {
    text.encode_utf16().collect()
}

/// Bytes that no other seed has any sixteen of in a row, and none of them zero.
fn secret(len: usize, seed: u8) -> Vec<u8> {
    let mut bytes = (1..16).map(|low| (seed << 4) | low).collect::<Vec<_>>().repeat(len / 15 + 1);
    bytes.truncate(len);
    bytes
}

/// Whether the secret is in the memory that secrets live in, whole or its first sixteen bytes.
fn holds(vault: &Vault, secret: &[u8]) -> bool {
    let start = &secret[..secret.len().min(16)];
    vault.store.secrets.slabs().iter().any(|slab| slab.holds(start))
}

fn is_wiped(vault: &Vault) -> bool {
    !vault.store.secrets.slabs().iter().any(|slab| slab.holds_any())
}

/// In a cell, filling it, in chunks, longer than a page, and in pages of their own.
#[cfg(not(miri))]
const LENGTHS: [usize; 7] = [16, 32, 33, 1000, 5000, LARGEST_CLASS, LARGEST_CLASS + 1];
/// One of each.
#[cfg(miri)]
const LENGTHS: [usize; 4] = [16, 33, 1000, LARGEST_CLASS + 1];
const EXPIRES: u64 = 1000;
/// Of the secrets in random sequences of operations.
const SEEDS: std::ops::Range<u8> = 1..4;
