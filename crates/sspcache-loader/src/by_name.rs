//! Loaded modules by their base names.

use hashbrown::HashMap;
use smallvec::SmallVec;

use crate::name::Key;
use crate::{Handle, PlainName};

/// Handles of modules with the same base name, in the order of their loads: usually one.
pub(crate) type Handles = SmallVec<[Handle; 1]>;

/// Modules by base name. Most have a plain name: those are in a table of their own, which is faster to search.
#[derive(Default)]
pub(crate) struct ByName {
    plain: HashMap<PlainName, Handles>,
    others: HashMap<Key, Handles>,
}

impl ByName {
    /// The modules of a base name in the form in which names are compared.
    pub(crate) fn named(&self, base_name: &[u16]) -> &[Handle] {
        match PlainName::from_units(base_name.iter().copied()) {
            Some(plain) => self.plainly_named(plain),
            None => self.others.get(base_name).map(SmallVec::as_slice).unwrap_or_default(),
        }
    }

    /// The modules of a plain name.
    #[inline]
    pub(crate) fn plainly_named(&self, base_name: PlainName) -> &[Handle] {
        self.plain.get(&base_name).map(SmallVec::as_slice).unwrap_or_default()
    }

    /// Adds a module after the others of its name.
    pub(crate) fn insert(&mut self, base_name: Key, handle: Handle) {
        let handles = match PlainName::from_units(base_name.iter().copied()) {
            Some(plain) => self.plain.entry(plain).or_default(),
            None => self.others.entry(base_name).or_default(),
        };
        handles.push(handle);
    }

    /// Removes a module.
    pub(crate) fn remove(&mut self, base_name: &[u16], handle: Handle) {
        let plain = PlainName::from_units(base_name.iter().copied());
        let handles = match plain {
            Some(plain) => self.plain.get_mut(&plain),
            None => self.others.get_mut(base_name),
        };
        let Some(handles) = handles else { return };
        handles.retain(|other| *other != handle);
        if handles.is_empty() {
            match plain {
                Some(plain) => self.plain.remove(&plain),
                None => self.others.remove(base_name),
            };
        }
    }
}
