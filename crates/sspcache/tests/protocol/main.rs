//! What this crate makes of a loader and of an SSP, over a process that each test makes up: no DLL, any system.

// The process that a test makes up: its modules, and a log of what they were asked.
mod fake;

// The caches of today: what is asked of a system, in which order, and what a report says of it.
mod caches;
// The steps of a flush, in their order, and what each of them can come to: C1 to C7, C9.
mod flush;
// Flushing when a scope ends.
mod guard;
// Providers of an application's own, and several flushed as one.
mod providers;
// What a report says, to people and to machines.
mod report;

// Signing in and contexts: what is called, in which order, and what comes of it.
mod contexts;

// The events of the feature `tracing`.
#[cfg(feature = "tracing")]
mod tracing;
