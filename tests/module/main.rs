//! The mock DLLs as modules: what they are to the process, to the system that loads them, and on the disk. What their functions
//! answer belongs into the binary `dll`.

/// The file: exports, version, imports.
mod file;
/// The journal that they write.
mod journal;
/// Wine's list of security providers, which tests that change it or depend on it take turns with.
mod providers;
/// Found by a program that only knows secur32.
mod secur32;
/// As they ship: these need a distribution (`cargo xtask test dist`).
mod shipped;
/// Disks, configurations and rights that fail or change.
mod surroundings;
/// Unloading.
mod unload;
