//! Strings at the ABI: ANSI for the functions that end in A, UTF-16 for those that end in W.

use std::ops::Deref;

use sspcache_engine::SecurityStatus;
use windows_sys::Win32::Security::Authentication::Identity::{SecPkgInfoA, SecPkgInfoW};
use zeroize::Zeroizing;

/// Units of UTF-16 that may be secret: overwritten when dropped.
pub(crate) type Units = Zeroizing<Vec<u16>>;

/// UTF-16 that may be secret: the caller's own, or a copy that is overwritten when dropped.
#[derive(Clone, Debug)]
pub enum Text<'t> {
    /// Where the caller has it.
    Borrowed(&'t [u16]),
    /// In another encoding than UTF-16, or put together.
    Owned(Zeroizing<Vec<u16>>),
}

impl Text<'_> {
    pub(crate) fn into_units(self) -> Units {
        match self {
            Self::Borrowed(units) => Zeroizing::new(units.to_vec()),
            Self::Owned(units) => units,
        }
    }
}

impl Default for Text<'_> {
    fn default() -> Self {
        Self::Borrowed(&[])
    }
}

impl Deref for Text<'_> {
    type Target = [u16];

    fn deref(&self) -> &[u16] {
        match self {
            Self::Borrowed(units) => units,
            Self::Owned(units) => units,
        }
    }
}

impl From<Units> for Text<'_> {
    fn from(units: Units) -> Self {
        Self::Owned(units)
    }
}

/// The encoding of a function's strings, and the structures that follow from it.
pub trait Encoding {
    /// What a string is an array of.
    type Unit: Copy + Default + PartialEq;
    /// `SecPkgInfoA` or `SecPkgInfoW`.
    type PackageInfo: Copy;

    /// Text in this encoding as UTF-16.
    ///
    /// # Errors
    /// [`SecurityStatus::INVALID_PARAMETER`] for bytes that are no text.
    fn decode(text: &[Self::Unit]) -> Result<Text<'_>, SecurityStatus>;

    /// UTF-16 in this encoding, with a terminating null. What it can't express is replaced.
    fn encode(text: &[u16]) -> Vec<Self::Unit>;

    /// The structure for a package.
    fn package_info(
        package: &sspcache_engine::PackageInfo,
        name: *mut Self::Unit,
        comment: *mut Self::Unit,
    ) -> Self::PackageInfo;
}

/// The functions that end in A: UTF-8 on Unix, the active code page on Windows.
#[derive(Debug)]
pub enum Ansi {}

/// The functions that end in W.
#[derive(Debug)]
pub enum Wide {}

impl Encoding for Wide {
    type Unit = u16;
    type PackageInfo = SecPkgInfoW;

    fn decode(text: &[u16]) -> Result<Text<'_>, SecurityStatus> {
        Ok(Text::Borrowed(text))
    }

    fn encode(text: &[u16]) -> Vec<u16> {
        text.iter().copied().chain([0]).collect()
    }

    fn package_info(
        package: &sspcache_engine::PackageInfo,
        name: *mut u16,
        comment: *mut u16,
    ) -> SecPkgInfoW {
        SecPkgInfoW {
            fCapabilities: package.capabilities.0,
            wVersion: package.version,
            wRPCID: package.rpc_id,
            cbMaxToken: package.max_token,
            Name: name,
            Comment: comment,
        }
    }
}

impl Encoding for Ansi {
    type Unit = u8;
    type PackageInfo = SecPkgInfoA;

    fn decode(text: &[u8]) -> Result<Text<'_>, SecurityStatus> {
        ansi::decode(text).map(Text::Owned)
    }

    fn encode(text: &[u16]) -> Vec<u8> {
        ansi::encode(text).into_iter().chain([0]).collect()
    }

    fn package_info(package: &sspcache_engine::PackageInfo, name: *mut u8, comment: *mut u8) -> SecPkgInfoA {
        SecPkgInfoA {
            fCapabilities: package.capabilities.0,
            wVersion: package.version,
            wRPCID: package.rpc_id,
            cbMaxToken: package.max_token,
            Name: name.cast(),
            Comment: comment.cast(),
        }
    }
}

/// More than any user name, domain or password has, packed credentials included: 64 Ki units.
pub(crate) const MAX_LENGTH: u32 = 0x1_0000;

#[cfg(unix)]
mod ansi {
    use sspcache_engine::SecurityStatus;
    use zeroize::Zeroizing;

    use super::Units;

    pub(super) fn decode(bytes: &[u8]) -> Result<Units, SecurityStatus> {
        let text = std::str::from_utf8(bytes).map_err(|_| SecurityStatus::INVALID_PARAMETER)?;
        // Never more units than bytes: reserved in full, so that no growth leaves a copy behind.
        let mut units = Zeroizing::new(Vec::with_capacity(bytes.len()));
        units.extend(text.encode_utf16());
        Ok(units)
    }

    pub(super) fn encode(text: &[u16]) -> Vec<u8> {
        char::decode_utf16(text.iter().copied())
            .map(|character| character.unwrap_or('?'))
            .collect::<String>()
            .into_bytes()
    }
}

#[cfg(windows)]
mod ansi {
    use std::ptr;

    use sspcache_engine::SecurityStatus;
    use windows_sys::Win32::Globalization::{
        CP_ACP, MB_ERR_INVALID_CHARS, MultiByteToWideChar, WideCharToMultiByte,
    };
    use zeroize::Zeroizing;

    use super::Units;

    pub(super) fn decode(bytes: &[u8]) -> Result<Units, SecurityStatus> {
        if bytes.is_empty() {
            return Ok(Units::default());
        }
        let length = i32::try_from(bytes.len()).map_err(|_| SecurityStatus::INVALID_PARAMETER)?;
        // No code page has more units than bytes.
        let mut units = Zeroizing::new(vec![0u16; bytes.len()]);
        // SAFETY: pointers and lengths are those of the two slices.
        let written = unsafe {
            MultiByteToWideChar(
                CP_ACP,
                MB_ERR_INVALID_CHARS,
                bytes.as_ptr(),
                length,
                units.as_mut_ptr(),
                length,
            )
        };
        if written <= 0 {
            return Err(SecurityStatus::INVALID_PARAMETER);
        }
        units.truncate(written.unsigned_abs() as usize);
        Ok(units)
    }

    pub(super) fn encode(text: &[u16]) -> Vec<u8> {
        let Ok(length) = i32::try_from(text.len()) else { return Vec::new() };
        let convert = |buffer: &mut [u8]| {
            let size = i32::try_from(buffer.len()).unwrap_or(i32::MAX);
            // SAFETY: pointers and lengths are those of the two slices; an empty buffer asks for the size.
            let written = unsafe {
                WideCharToMultiByte(
                    CP_ACP,
                    0,
                    text.as_ptr(),
                    length,
                    buffer.as_mut_ptr(),
                    size,
                    ptr::null(),
                    ptr::null_mut(),
                )
            };
            usize::try_from(written).unwrap_or(0)
        };
        let mut bytes = vec![0; convert(&mut [])];
        let written = convert(&mut bytes);
        bytes.truncate(written);
        bytes
    }
}
