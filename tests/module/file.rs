//! The mock DLLs as files: what they export, and how they say what they are.

use std::{collections::BTreeSet, fs};

use object::Object as _;
#[cfg(target_os = "linux")]
use sspcache_tests::dll;
use sspcache_tests::dll::{MODULES, built};

/// Functions with one form, then those with an A and a W form.
const EXPORTS: [&[&str]; 2] = [
    &[
        "AcceptSecurityContext",
        "ApplyControlToken",
        "CleanupCredentialCache",
        "CompleteAuthToken",
        "DecryptMessage",
        "DeleteSecurityContext",
        "EncryptMessage",
        "ExportSecurityContext",
        "FreeContextBuffer",
        "FreeCredentialsHandle",
        "ImpersonateSecurityContext",
        "MakeSignature",
        "QuerySecurityContextToken",
        "RevertSecurityContext",
        "SspiCompareAuthIdentities",
        "SspiCopyAuthIdentity",
        "SspiDecryptAuthIdentity",
        "SspiDecryptAuthIdentityEx",
        "SspiEncodeAuthIdentityAsStrings",
        "SspiEncodeStringsAsAuthIdentity",
        "SspiEncryptAuthIdentity",
        "SspiEncryptAuthIdentityEx",
        "SspiExcludePackage",
        "SspiFreeAuthIdentity",
        "SspiGetTargetHostName",
        "SspiIsAuthIdentityEncrypted",
        "SspiIsPromptingNeeded",
        "SspiLocalFree",
        "SspiMarshalAuthIdentity",
        "SspiPrepareForCredRead",
        "SspiPrepareForCredWrite",
        "SspiSetChannelBindingFlags",
        "SspiUnmarshalAuthIdentity",
        "SspiValidateAuthIdentity",
        "SspiZeroAuthIdentity",
        "VerifySignature",
        "sspcache_signed_out",
    ],
    &[
        "AcquireCredentialsHandle",
        "AddCredentials",
        "AddSecurityPackage",
        "ChangeAccountPassword",
        "DeleteSecurityPackage",
        "EnumerateSecurityPackages",
        "ImportSecurityContext",
        "InitSecurityInterface",
        "InitSecurityInterfaceEx",
        "InitializeSecurityContext",
        "QueryContextAttributes",
        "QueryContextAttributesEx",
        "QueryCredentialsAttributes",
        "QueryCredentialsAttributesEx",
        "QuerySecurityPackageInfo",
        "SetContextAttributes",
        "SetCredentialsAttributes",
        "SspiPromptForCredentials",
    ],
];

/// C1, S2: by their exact names, and nothing else, so that a mock that is loaded globally gives its name to nothing that
/// is not the SSP's.
#[test]
fn exactly_the_documented_functions_are_exported_undecorated() {
    let [plain, forms] = EXPORTS;
    let mut expected: BTreeSet<String> = plain.iter().map(ToString::to_string).collect();
    expected.extend(forms.iter().flat_map(|name| [format!("{name}A"), format!("{name}W")]));
    if cfg!(windows) {
        // The loader's entry point: Rust exports whatever has a name of its own.
        expected.insert("DllMain".to_owned());
    }
    for &module in MODULES {
        let file = fs::read(built(module)).unwrap();
        let file = object::File::parse(&*file).unwrap();
        let exports: BTreeSet<String> =
            file.exports().unwrap().map(|export| name(&export.unwrap())).collect();
        let unexpected: Vec<_> = exports.symmetric_difference(&expected).collect();
        assert!(unexpected.is_empty(), "{module}: {unexpected:?}");
    }
}

fn name(export: &object::Export<'_>) -> String {
    match export.name() {
        object::NameOrOrdinal::Name(name) => {
            let name = str::from_utf8(name).unwrap();
            // In Mach-O files the C compiler puts an underscore before every name, and dlsym leaves it out.
            let prefix = if cfg!(target_vendor = "apple") { "_" } else { "" };
            name.strip_prefix(prefix).unwrap_or(name).to_owned()
        }
        object::NameOrOrdinal::Ordinal(ordinal) => format!("ordinal {ordinal}"),
    }
}

/// A program that loads it by the name that ships finds it, whatever the file is called.
#[test]
#[cfg(target_os = "linux")]
#[allow(unsafe_code, reason = "asks the system's loader what is loaded")]
fn a_loaded_mock_is_found_by_the_name_that_ships() {
    use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
    const RTLD_NOLOAD: i32 = 4;
    for &module in MODULES {
        let name = format!("{module}.dll");
        // SAFETY: nothing happens while a mock is loaded.
        let find = || unsafe { Library::open(Some(&name), RTLD_NOW | RTLD_LOCAL | RTLD_NOLOAD) };
        assert!(find().is_err());
        let mock = dll::Mock::at(&built(module));
        assert!(find().is_ok(), "{name}");
        mock.unload();
    }
}

/// The file's properties show that it is a mock.
#[test]
#[cfg(windows)]
#[allow(unsafe_code, reason = "asks Windows for the version resource")]
fn the_version_resource_says_that_it_is_a_mock() {
    use std::{os::windows::ffi::OsStrExt as _, ptr, slice};
    use windows_sys::Win32::Storage::FileSystem::{
        GetFileVersionInfoSizeW, GetFileVersionInfoW, VerQueryValueW,
    };
    for &module in MODULES {
        let file: Vec<u16> = built(module).as_os_str().encode_wide().chain([0]).collect();
        // SAFETY: the path ends in a null.
        let size = unsafe { GetFileVersionInfoSizeW(file.as_ptr(), ptr::null_mut()) };
        let mut block = vec![0u32; size.div_ceil(4) as usize];
        // SAFETY: the path ends in a null, and the block has this size.
        let found = unsafe { GetFileVersionInfoW(file.as_ptr(), 0, size, block.as_mut_ptr().cast()) };
        assert_ne!(found, 0, "{module} has a version resource");
        for (field, expected) in [
            ("FileDescription", "A mock Security Support Provider"),
            ("FileVersion", env!("CARGO_PKG_VERSION")),
            ("OriginalFilename", &format!("{module}.dll")),
        ] {
            let path: Vec<u16> = format!("\\StringFileInfo\\040904B0\\{field}\0").encode_utf16().collect();
            let (mut text, mut length) = (ptr::null_mut(), 0);
            // SAFETY: the block is one that Windows filled, the path ends in a null, and both results may be written to.
            let found = unsafe {
                VerQueryValueW(block.as_ptr().cast(), path.as_ptr(), &raw mut text, &raw mut length)
            };
            assert_ne!(found, 0, "{field}");
            // SAFETY: that many units of the block are there.
            let text = unsafe { slice::from_raw_parts(text.cast::<u16>(), length as usize) };
            let text = String::from_utf16_lossy(text);
            assert!(text.starts_with(expected), "{field} of {module} is {text:?}");
        }
    }
}
