//! The caches of today over an emulated process, its logon session and its user.

#![forbid(unsafe_code)]

// What a test is told of its own mistakes: assertions and expectations of the mocks.
mod expectation;
// Names, safety, order, panics: what is the same for each cache.
mod protocol;
// The cases of `fixtures/caches`, which real systems run as well.
mod table;
