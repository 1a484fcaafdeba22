//! Which threads are inside a function of the C library whose lock a fork could leave taken.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts the threads inside a function of the C library that takes a lock, which a fork leaves taken: glibc gives its child back few of
/// them.
#[derive(Debug)]
pub(crate) struct Inside {
    /// How many threads there are, below the number of their process.
    threads: AtomicU64,
}

impl Inside {
    pub(crate) const fn new() -> Self {
        Self { threads: AtomicU64::new(0) }
    }

    /// Calls the function; not in a child whose parent's threads were inside when it was forked.
    pub(crate) fn call<R>(&self, function: impl FnOnce() -> R) -> Option<R> {
        let process = u64::from(std::process::id()) << 32;
        self.threads
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |inside| {
                let is_foreign = inside >> 32 != process >> 32;
                let threads = inside & u64::from(u32::MAX);
                if threads > 0 && is_foreign { None } else { Some(process | (threads + 1)) }
            })
            .ok()?;
        let result = function();
        self.threads.fetch_sub(1, Ordering::AcqRel);
        Some(result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// M1
    #[test]
    fn a_child_that_was_forked_while_a_thread_was_inside_a_function_does_not_call_it() {
        let inside = Inside::new();
        let others = inside.call(|| {
            assert_eq!(inside.call(|| 1), Some(1), "another thread of this process may");
            // As the child of another process finds it.
            inside.threads.fetch_xor(1 << 32, Ordering::SeqCst);
            let in_child = inside.call(|| 2);
            inside.threads.fetch_xor(1 << 32, Ordering::SeqCst);
            in_child
        });
        assert_eq!((others, inside.call(|| 3)), (Some(None), Some(3)));
    }
}
