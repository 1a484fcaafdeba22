//! The emulated module loader, in safe Rust, on any system.

// Files that the test didn't register, found on a disk that a test makes up.
mod disk;
// What modules may do while they are notified of loads and unloads, what others see meanwhile, and what a panic leaves.
mod notifications;
// References that are held, modules of one name, addresses, and names that are no valid UTF-16.
mod references;

// Random sequences of operations agree with a plain model of the loader: L3, L5, L7 to L9.
mod plain_model;
// The vectors that the real loader runs, too: L1 to L10, L12. A new row belongs into a table of `fixtures/loader/`.
mod vectors;
