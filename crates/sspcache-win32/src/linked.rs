//! The mock, linked in: the loader sees both SSPs as files beside the program, without files on the disk.

use std::{
    ffi::c_void,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};

use sspcache_dll::{Ending, WipingAllocator};
use sspcache_loader::{EmulatedLoader, ModuleFile, Reason};

use crate::{disk::to_windows, locks::Address};

/// As in the mock DLLs, memory is overwritten before it is freed.
#[global_allocator]
static ALLOCATOR: WipingAllocator = WipingAllocator(std::alloc::System);

mod msnsspc {
    sspcache_dll::link_ssp!("MSNSSPC.dll");
}

mod msapsspc {
    sspcache_dll::link_ssp!("MSAPSSPC.dll");
}

/// An SSP as a module.
struct Linked {
    name: &'static str,
    exports: fn() -> Vec<(&'static str, *const c_void)>,
    detach: fn(Ending),
}

const LINKED: [Linked; 2] = [
    Linked { name: "MSNSSPC.dll", exports: msnsspc::exports, detach: msnsspc::detach },
    Linked { name: "MSAPSSPC.dll", exports: msapsspc::exports, detach: msapsspc::detach },
];

/// Puts the SSPs into the program's folder, where they come before files of the same names.
pub(crate) fn register(loader: &EmulatedLoader<Address>, program: &Path) {
    for linked in LINKED {
        let path = to_windows(&program.with_file_name(linked.name));
        let mut file = ModuleFile::new(&path).on_notification(move |notification| {
            if notification.reason() == Reason::Load {
                end_with_the_process();
            } else {
                (linked.detach)(Ending::Unloaded);
            }
            true
        });
        for (name, address) in (linked.exports)() {
            file = file.export(name, address.expose_provenance());
        }
        loader.register(file);
    }
}

/// The SSP with an export at this address.
pub(crate) fn at_address(address: *const c_void) -> Option<&'static str> {
    let has = |linked: &&Linked| (linked.exports)().iter().any(|&(_, export)| export == address);
    LINKED.iter().find(has).map(|linked| linked.name)
}

/// Makes the SSPs write to their journals what was left when the process ends.
fn end_with_the_process() {
    extern "C" fn end() {
        for linked in LINKED {
            (linked.detach)(Ending::Exit);
        }
    }
    static REGISTERED: AtomicBool = AtomicBool::new(false);
    if !REGISTERED.swap(true, Ordering::AcqRel) {
        // SAFETY: the function takes nothing and neither panics nor unwinds.
        unsafe { libc::atexit(end) };
    }
}
