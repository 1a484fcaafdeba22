//! The mock SSP's credential cache through its engine: signing in, silently and not, flushing and failing.

#![forbid(unsafe_code)]

// What each operation does, one test a promise: M1 to M12, S1.
mod signing_in;
// Random sequences of operations agree with a plain model of the cache: M1 to M4, M9, M10.
mod plain_model;
