//! Calls about credentials and accounts.

use std::ptr;

use windows_sys::Win32::Security::Authentication::Identity::{
    SECBUFFER_CHANGE_PASS_RESPONSE, SecPkgCredentials_KdcProxySettingsW,
};

use super::{
    Pick, Place, Who,
    case::{Case, Room, pointer},
    world::Functions,
};
use crate::dll::{Ask, Form, Handle, Identity, UNTOUCHED, UNTOUCHED_TIME};

impl Case<'_> {
    pub(super) fn acquire<F: Form>(
        &mut self,
        functions: &Functions<'_, F>,
        package: &str,
        credential_use: u32,
        who: Who,
    ) {
        let identity = identity::<F>(who);
        let auth_data = identity.as_ref().map_or(ptr::null(), Identity::as_ptr);
        let ask = Ask { principal: None, package: Some(package), credential_use, auth_data };
        let (status, handle, expiry) = functions.sspi.acquire(ask);
        if self.world.note("AcquireCredentialsHandle", status) {
            self.credentials.live.push(handle);
        } else {
            assert_eq!((handle.lower, handle.upper, expiry), (UNTOUCHED, UNTOUCHED, UNTOUCHED_TIME));
        }
    }

    pub(super) fn add<F: Form>(
        &self,
        functions: &Functions<'_, F>,
        credential: Option<Handle>,
        package: &str,
        credential_use: u32,
        who: Who,
    ) {
        let identity = identity::<F>(who);
        let auth_data = identity.as_ref().map_or(ptr::null(), Identity::as_ptr);
        let ask = Ask { principal: None, package: Some(package), credential_use, auth_data };
        let (status, expiry) = functions.sspi.add(pointer(credential.as_ref()), ask);
        let added = self.note_credential("AddCredentials", credential, status);
        assert_eq!(added, expiry != UNTOUCHED_TIME);
    }

    pub(super) fn kdc_proxy<F: Form>(
        &self,
        functions: &Functions<'_, F>,
        credential: Option<Handle>,
        attribute: u32,
        version: u32,
        [server, certificate]: [u16; 2],
        size: usize,
    ) {
        let header = SecPkgCredentials_KdcProxySettingsW {
            Version: version,
            ProxyServerOffset: 16,
            ProxyServerLength: server,
            ClientTlsCredOffset: 20,
            ClientTlsCredLength: certificate,
            ..Default::default()
        };
        // As long as is said, so that whatever lies behind it belongs to no object.
        let mut settings = vec![b'x'; size].into_boxed_slice();
        // SAFETY: a structure of integers, without gaps.
        let header = unsafe { std::slice::from_raw_parts((&raw const header).cast::<u8>(), 16) };
        let common = size.min(header.len());
        settings[..common].copy_from_slice(&header[..common]);
        let status = functions.sspi.set(pointer(credential.as_ref()), attribute, Some(&settings));
        self.note_credential("SetCredentialsAttributes", credential, status);
    }

    pub(super) fn change<F: Form>(
        &mut self,
        functions: &Functions<'_, F>,
        [package, old]: [&str; 2],
        kind: u32,
        reserved: u32,
    ) {
        let names = [package, "CONTOSO", "alice", old, "correct horse"];
        let (status, response) = functions.contexts.change(names, kind, reserved);
        let changed = self.world.note("ChangeAccountPassword", status);
        assert_eq!(changed, !response.pvBuffer.is_null());
        assert!(!changed || kind == SECBUFFER_CHANGE_PASS_RESPONSE);
        self.held.push(response.pvBuffer);
    }

    pub(super) fn credential_attribute<F: Form>(
        &mut self,
        functions: &Functions<'_, F>,
        credential: Pick,
        attribute: u32,
        place: Place,
    ) {
        let (handle, mut room) = (self.credential(credential), Room::new(place));
        let credential = pointer(handle.as_ref());
        let status = match place {
            Place::Null => functions.sspi.query(credential, attribute, ptr::null_mut()),
            Place::Plain => functions.sspi.query(credential, attribute, room.place()),
            Place::Sized(size) => functions.sspi.query_ex(credential, attribute, room.place(), size),
        };
        self.note_credential("QueryCredentialsAttributes", handle, status);
        self.keep(status, &room);
    }
}

/// Authentication data; none for a caller that signs in with what is cached.
fn identity<F: Form>(who: Who) -> Option<Identity<F>> {
    match who {
        Who::Cached => None,
        Who::Named(user, password) => Some(Identity::new(user, "CONTOSO", password)),
        Who::Odd(flags, length) => {
            let mut identity = Identity::new("", "", "");
            identity.data.User = ptr::null_mut();
            identity.data.UserLength = length;
            identity.data.Flags = flags;
            Some(identity)
        }
    }
}
