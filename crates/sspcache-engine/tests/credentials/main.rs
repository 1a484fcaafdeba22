//! The mock SSP's credential cache through its engine: signing in, silently and not, flushing and failing.

#![forbid(unsafe_code)]

// What each operation does, one test a promise: M1 to M12, S1.
mod signing_in;
// Packages that don't cache, and default credentials: P2 to P6.
mod held;
// Random sequences of operations agree with a plain model of the cache and of what handles hold: M1 to M4, M9, M10, P2, P3.
mod plain_model;
