//! Any order of any calls at the C ABI: the same cases as those of `tests/dll/any_order.rs`, made of an input in place of random
//! bytes. Inputs that begin as recordings of real programs are calls in the shapes that those make, and what the fuzzer makes of
//! them.
//!
//! What a case checks is in `tests/src/any_call`: each status is one that is documented, handles and memory are taken
//! exactly if they are held, what refuses writes nothing, and in the end everything that is left can be given back.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sspcache_tests::any_call::{CONFIG, World, calls, recorded::Recording};

thread_local! {
    static WORLD: World<'static> = World::new(sspcache_fuzz::mock(CONFIG));
}

fuzz_target!(|input: &[u8]| {
    WORLD.with(|world| {
        match Recording::from_bytes(input) {
            Some(recording) => _ = world.replay(&recording),
            None => world.run(&calls(input)),
        }
        assert!(world.flush());
    });
});
