//! The comparison of the product, and leaking comparisons that show that memcheck reports leaks.

use subtle::{Choice, ConstantTimeEq};

/// The product's comparison, from its file.
#[allow(dead_code, unreachable_pub)]
#[path = "../../../metrics-guard-core/src/keys/slots.rs"]
mod slots;

/// The product's comparison without its barriers: see `build.rs`.
#[allow(dead_code, unused_imports, clippy::all, clippy::pedantic)]
mod bare {
    include!(concat!(env!("OUT_DIR"), "/bare_slots.rs"));
}

pub struct Product(slots::Slots);

impl Product {
    pub fn with(keys: &[Vec<u8>]) -> Product {
        let mut slots = slots::Slots::empty();
        for (slot, key) in keys.iter().enumerate() {
            slots.fill(slot, key);
        }
        Product(slots)
    }

    #[inline(always)]
    pub fn has(&self, presented: &[u8]) -> bool {
        self.0.compare(presented).any().into()
    }
}

pub struct WithoutBarriers(bare::Slots);

impl WithoutBarriers {
    pub fn with(keys: &[Vec<u8>]) -> WithoutBarriers {
        let mut slots = bare::Slots::empty();
        for (slot, key) in keys.iter().enumerate() {
            slots.fill(slot, key);
        }
        WithoutBarriers(slots)
    }

    #[inline(always)]
    pub fn has(&self, presented: &[u8]) -> bool {
        self.0.compare(presented).any()
    }
}

/// Four keys in a plain form. Unused ones have length 0, and match no presented key of the tests.
pub struct Keys {
    bytes: [[u8; 256]; 4],
    lens: [usize; 4],
}

impl Keys {
    pub fn with(keys: &[Vec<u8>]) -> Keys {
        let mut all = Keys { bytes: [[0; 256]; 4], lens: [0; 4] };
        for (index, key) in keys.iter().enumerate() {
            all.bytes[index][..key.len()].copy_from_slice(key);
            all.lens[index] = key.len();
        }
        all
    }

    #[inline(always)]
    fn each(&self) -> impl Iterator<Item = &[u8]> {
        self.bytes.iter().zip(self.lens).map(|(bytes, len)| &bytes[..len])
    }
}

#[inline(always)]
pub fn equal(keys: &Keys, presented: &[u8]) -> bool {
    keys.each().any(|key| key == presented)
}

#[inline(always)]
pub fn byte_loop(keys: &Keys, presented: &[u8]) -> bool {
    let is_equal = |key: &[u8]| key.iter().zip(presented).all(|(accepted, byte)| accepted == byte);
    keys.each().any(|key| key.len() == presented.len() && is_equal(key))
}

/// Compares each key in constant time, but none after the one that matches.
#[inline(always)]
pub fn short_circuit(keys: &Keys, presented: &[u8]) -> bool {
    let mut padded = [0; 256];
    padded[..presented.len()].copy_from_slice(presented);
    keys.bytes.iter().zip(keys.lens).any(|(bytes, len)| (bytes.ct_eq(&padded) & len.ct_eq(&presented.len())).into())
}

#[inline(always)]
pub fn subtle_on_slices(keys: &Keys, presented: &[u8]) -> bool {
    keys.each().map(|key| key.ct_eq(presented)).fold(Choice::from(0), |any, is| any | is).into()
}
