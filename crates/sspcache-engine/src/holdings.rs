//! The secrets that handles hold and no cache has: those of packages that don't cache (clause P2).

use hashbrown::HashMap;

use crate::{
    AuthIdentity, FileTime, Principal,
    vault::{Chunk, OutOfMemory, Slab},
};

/// Secrets by number. Their bytes are in a slab that the owner lends for each call.
#[derive(Default)]
pub(crate) struct Holdings {
    held: HashMap<u32, Holding, foldhash::fast::FixedState>,
    last: u32,
}

/// A secret that is held.
pub(crate) struct Holding {
    /// Its package's place in `State::packages`.
    pub(crate) package: u16,
    pub(crate) principal: Principal,
    /// When it came, in UTC.
    pub(crate) acquired_at: FileTime,
    /// The handle that it came into, and the `seq` of the event that says so.
    pub(crate) came: Option<(usize, u64)>,
    /// The tag of the secret's kind.
    kind: u8,
    secret: Chunk,
    /// How many handles and half-open contexts hold it.
    holders: u32,
}

impl Holdings {
    /// Takes in a secret that nothing holds yet; its number.
    pub(crate) fn add(
        &mut self,
        package: u16,
        identity: &AuthIdentity,
        now: FileTime,
        slab: &mut Slab,
    ) -> Result<u32, OutOfMemory> {
        self.held.try_reserve(1)?;
        let secret = slab.store(identity.secret.bytes())?;
        // A number that comes again after four billion others may still be in use.
        loop {
            self.last = self.last.wrapping_add(1);
            if !self.held.contains_key(&self.last) {
                break;
            }
        }
        let holding = Holding {
            package,
            principal: identity.principal.clone(),
            acquired_at: now,
            came: None,
            kind: identity.secret.kind().tag(),
            secret,
            holders: 0,
        };
        self.held.insert(self.last, holding);
        Ok(self.last)
    }

    /// Notes the handle that a secret came into, and the event.
    pub(crate) fn came(&mut self, number: u32, handle: usize, event: u64) {
        if let Some(holding) = self.held.get_mut(&number) {
            holding.came = Some((handle, event));
        }
    }

    pub(crate) fn hold(&mut self, number: u32) {
        if let Some(holding) = self.held.get_mut(&number) {
            holding.holders += 1;
        }
    }

    /// One holder fewer; the secret is overwritten with the last. Whether it was.
    pub(crate) fn release(&mut self, number: u32, slab: &mut Slab) -> bool {
        let Some(holding) = self.held.get_mut(&number) else { return false };
        holding.holders = holding.holders.saturating_sub(1);
        if holding.holders > 0 {
            return false;
        }
        if let Some(holding) = self.held.remove(&number) {
            slab.release(holding.secret);
        }
        true
    }

    /// The secret of this number, and the tag of its kind.
    pub(crate) fn secret<'s>(&self, number: u32, slab: &'s Slab) -> Option<(u8, &'s [u8])> {
        let holding = self.held.get(&number)?;
        Some((holding.kind, slab.bytes(&holding.secret)))
    }

    pub(crate) fn get(&self, number: u32) -> Option<&Holding> {
        self.held.get(&number)
    }

    /// All of them, in no particular order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Holding> {
        self.held.values()
    }
}
