//! Security contexts of the mock SSP: both ends of a handshake in one process, and what they send each other.

#![forbid(unsafe_code)]

// The two ends of a handshake, which all of these tests have.
mod ends;

// What contexts sign in with: default credentials, lists of packages, keytabs, and what handles alone hold. P2 to P6.
mod credentials;
// Packages that are forbidden, and what events say for policies and misuse: Q3, Q7.
mod forbidden;
// Handshakes between an initiator and an acceptor: M4, M5, S3, S5, S9. Below it stand flags, attacks on tokens, what is
// added to a credential handle, and what contexts live through.
mod handshake;
// Messages of an established context, and contexts that go on in another process: S4.
mod messages;
// What Negotiate has chosen so far: S4.
mod negotiation;
