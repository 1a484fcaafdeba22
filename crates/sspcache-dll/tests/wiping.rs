//! What is freed was overwritten first, as the allocator sees it.
#![allow(unsafe_code, reason = "is an allocator, and calls a C ABI")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    ffi::c_void,
    ptr,
    sync::atomic::{AtomicUsize, Ordering},
};

use sspcache_dll::WipingAllocator;
use windows_sys::Win32::{
    Foundation::SEC_E_OK,
    Security::{Authentication::Identity::SECPKG_CRED_OUTBOUND, Credentials::SecHandle},
    System::Rpc::{SEC_WINNT_AUTH_IDENTITY_ANSI, SEC_WINNT_AUTH_IDENTITY_UNICODE, SEC_WINNT_AUTH_IDENTITY_W},
};

/// An SSP of its own for each test, linked in.
mod signing_in {
    sspcache_dll::link_ssp!("MSNSSPC.dll");
}
mod handing_out {
    sspcache_dll::link_ssp!("MSNSSPC.dll");
}
mod identities {
    sspcache_dll::link_ssp!("MSNSSPC.dll");
}

/// The system's allocator, which counts the blocks that come back with [`MARK`] in them, as bytes or as UTF-16. It
/// leaves them as they are: what is tested has to overwrite them by itself.
struct Witness;

#[global_allocator]
static WITNESS: Witness = Witness;

static MARKED: AtomicUsize = AtomicUsize::new(0);

/// Of no use but to be found: it never lies in memory in one piece that this program itself frees.
const MARK: [u8; 8] = *b"hunter2!";

// SAFETY: every call is the system allocator's.
unsafe impl GlobalAlloc for Witness {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's contract is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's contract is the same. Memory that is not written to later may still be read in
        // `dealloc`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // Bytes that were never written to have no value that Rust knows of, but the machine has one.
        let byte = |at: usize| {
            // SAFETY: it lies within the block, which is still allocated.
            unsafe { block.add(at).read_volatile() }
        };
        let found = |step: usize| {
            (0..(layout.size() + 1).saturating_sub(MARK.len() * step))
                .any(|at| MARK.iter().enumerate().all(|(index, &mark)| byte(at + index * step) == mark))
        };
        if found(1) || found(2) {
            MARKED.fetch_add(1, Ordering::SeqCst);
        }
        // SAFETY: the caller's contract is the same.
        unsafe { System.dealloc(block, layout) };
    }
}

/// How many blocks came back with the mark while this ran. One at a time: the count is the program's.
fn marked_by(run: impl FnOnce()) -> usize {
    static ONE_AT_A_TIME: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let before = MARKED.load(Ordering::SeqCst);
    run();
    MARKED.load(Ordering::SeqCst) - before
}

/// M7
#[test]
fn the_wiping_allocator_overwrites_what_is_freed_and_what_grows() {
    fn fill_grow_and_free(allocator: &impl GlobalAlloc) {
        let small = Layout::array::<u8>(64).unwrap();
        // SAFETY: the blocks are used within their sizes, and freed with the layouts that they have.
        unsafe {
            let block = allocator.alloc(small);
            block.copy_from_nonoverlapping(MARK.as_ptr(), MARK.len());
            let grown = allocator.realloc(block, small, 1 << 20);
            assert_eq!(*grown, MARK[0], "growing keeps the content");
            allocator.dealloc(grown, Layout::array::<u8>(1 << 20).unwrap());
        }
    }
    assert_eq!(marked_by(|| fill_grow_and_free(&Witness)), 2, "without it");
    assert_eq!(marked_by(|| fill_grow_and_free(&WipingAllocator(Witness))), 0);
}

/// M7, M8: the C ABI's own copies of a password, before and beside the cache.
#[test]
fn a_sign_in_leaves_no_copy_of_the_password_in_freed_memory() {
    let name: Vec<u16> = "MSN\0".encode_utf16().collect();
    // Not freed: these are the caller's own copies.
    let ansi: &'static [u8] = Box::leak(MARK.to_vec().into_boxed_slice());
    let wide: &'static [u16] = Box::leak(MARK.map(u16::from).to_vec().into_boxed_slice());
    let sign_in = |password: *const u16, flags| {
        let mut identity = SEC_WINNT_AUTH_IDENTITY_W {
            Password: password.cast_mut(),
            PasswordLength: 8,
            Flags: flags,
            ..Default::default()
        };
        let mut user = [u16::from_ne_bytes(*b"aa")];
        (identity.User, identity.UserLength) = (user.as_mut_ptr(), 1);
        let mut handle = SecHandle::default();
        // SAFETY: the package ends in a null, the identity is one, and the handle may be written to.
        let status = unsafe {
            signing_in::AcquireCredentialsHandleW(
                ptr::null_mut(),
                name.as_ptr().cast_mut(),
                SECPKG_CRED_OUTBOUND,
                ptr::null_mut(),
                (&raw mut identity).cast(),
                None,
                ptr::null_mut(),
                &raw mut handle,
                ptr::null_mut(),
            )
        };
        assert_eq!(status, SEC_E_OK);
        // SAFETY: the handle may be read.
        assert_eq!(unsafe { signing_in::FreeCredentialsHandle(&raw mut handle) }, SEC_E_OK);
    };
    let marked = marked_by(|| {
        sign_in(wide.as_ptr(), SEC_WINNT_AUTH_IDENTITY_UNICODE);
        sign_in(ansi.as_ptr().cast(), SEC_WINNT_AUTH_IDENTITY_ANSI);
        // SAFETY: it takes nothing.
        assert_eq!(unsafe { signing_in::CleanupCredentialCache() }, 1);
    });
    assert_eq!(marked, 0);
}

/// S6
#[test]
fn what_the_ssp_hands_out_is_overwritten_when_it_is_freed() {
    let mut package = ptr::null_mut();
    // SAFETY: the name ends in a null, and the pointer may be written to.
    let status = unsafe {
        handing_out::QuerySecurityPackageInfoA(c"MSN".as_ptr().cast_mut().cast(), &raw mut package)
    };
    assert_eq!(status, SEC_E_OK);
    // SAFETY: the structure is the caller's until it is freed; its comment is far longer than the mark.
    unsafe { (*package).Comment.cast::<u8>().copy_from_nonoverlapping(MARK.as_ptr(), MARK.len()) };
    let buffer: *mut c_void = package.cast();
    // SAFETY: nothing uses the structure any more.
    let free = || assert_eq!(unsafe { handing_out::FreeContextBuffer(buffer) }, SEC_E_OK);
    assert_eq!(marked_by(free), 0);
}

/// S6, M7: identities, and all that is made of one.
#[test]
fn identities_are_overwritten_when_they_are_freed() {
    // Not freed: this is the caller's own copy.
    let password: &'static [u16] =
        Box::leak([MARK.map(u16::from).as_slice(), &[0]].concat().into_boxed_slice());
    let user: Vec<u16> = "alice\0".encode_utf16().collect();
    let marked = marked_by(|| {
        let [mut identity, mut copy, mut restricted] = [ptr::null_mut(); 3];
        let [mut name, mut domain, mut secret] = [ptr::null(); 3];
        let (mut length, mut bytes) = (0, ptr::null_mut());
        // SAFETY: strings end in a null, identities are some, and places may be written to.
        unsafe {
            for status in [
                identities::SspiEncodeStringsAsAuthIdentity(
                    user.as_ptr(),
                    ptr::null(),
                    password.as_ptr(),
                    &raw mut identity,
                ),
                identities::SspiEncodeAuthIdentityAsStrings(
                    identity,
                    &raw mut name,
                    &raw mut domain,
                    &raw mut secret,
                ),
                identities::SspiMarshalAuthIdentity(identity, &raw mut length, &raw mut bytes),
                identities::SspiEncryptAuthIdentity(identity),
                identities::SspiCopyAuthIdentity(identity, &raw mut copy),
                identities::SspiExcludePackage(identity, user.as_ptr(), &raw mut restricted),
                identities::SspiDecryptAuthIdentity(restricted),
                identities::SspiDecryptAuthIdentity(identity),
            ] {
                assert_eq!(status, SEC_E_OK);
            }
        }
        for buffer in
            [identity, copy, restricted, bytes.cast(), name.cast_mut().cast(), secret.cast_mut().cast()]
        {
            // SAFETY: nothing uses it any more.
            unsafe { identities::SspiFreeAuthIdentity(buffer) };
        }
        assert!(domain.is_null());
    });
    assert_eq!(marked, 0);
}
