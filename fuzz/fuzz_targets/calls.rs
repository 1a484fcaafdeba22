//! Any order of any calls at the C ABI: the same cases as those of `tests/dll_any_order.rs`, made of an input in place of random
//! bytes.
//!
//! What a case checks is in `tests/support/any_call`: each status is one that is documented, handles and memory are taken
//! exactly if they are held, what refuses writes nothing, and in the end everything that is left can be given back.
#![no_main]

#[path = "../../tests/support/any_call/mod.rs"]
mod any_call;
#[path = "../../tests/support/context.rs"]
mod context;
#[path = "../../tests/support/dll.rs"]
mod dll;
#[path = "support/linked.rs"]
mod linked;

use any_call::{CONFIG, World, calls};
use libfuzzer_sys::fuzz_target;

thread_local! {
    static WORLD: World<'static> = World::new(linked::mock(CONFIG));
}

fuzz_target!(|input: &[u8]| {
    WORLD.with(|world| {
        world.run(&calls(input));
        assert!(world.flush());
    });
});
