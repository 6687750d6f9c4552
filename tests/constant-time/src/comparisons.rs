//! The comparison of the product, and leaking comparisons that show that memcheck reports leaks.

use subtle::{Choice, ConstantTimeEq};

use crate::valgrind::mark;

/// The product's comparison, from its file.
#[allow(dead_code, unreachable_pub)]
#[path = "../../../metrics-guard-core/src/keys/slots.rs"]
mod slots;

/// The product's comparison without its barriers: see `build.rs`.
#[allow(dead_code, unused_imports, clippy::all, clippy::pedantic)]
mod bare {
    include!(concat!(env!("OUT_DIR"), "/bare_slots.rs"));
}

/// A comparison with up to four keys.
pub trait Comparison {
    const NAME: &'static str;

    fn with(keys: &[Vec<u8>]) -> Self;

    /// Marks the keys and their lengths.
    fn mark(&self);

    fn has(&self, presented: &[u8]) -> bool;
}

pub struct Product(slots::Slots);

impl Comparison for Product {
    const NAME: &'static str = "the product's";

    fn with(keys: &[Vec<u8>]) -> Product {
        let mut slots = slots::Slots::empty();
        for (slot, key) in keys.iter().enumerate() {
            slots.fill(slot, key);
        }
        Product(slots)
    }

    fn mark(&self) {
        mark(&self.0);
    }

    #[inline(always)]
    fn has(&self, presented: &[u8]) -> bool {
        self.0.compare(presented).any().into()
    }
}

pub struct WithoutBarriers(bare::Slots);

impl Comparison for WithoutBarriers {
    const NAME: &'static str = "the product's without its barriers";

    fn with(keys: &[Vec<u8>]) -> WithoutBarriers {
        let mut slots = bare::Slots::empty();
        for (slot, key) in keys.iter().enumerate() {
            slots.fill(slot, key);
        }
        WithoutBarriers(slots)
    }

    fn mark(&self) {
        mark(&self.0);
    }

    #[inline(always)]
    fn has(&self, presented: &[u8]) -> bool {
        self.0.compare(presented).any()
    }
}

/// Four keys in a plain form. Unused ones have length 0, and match no presented key of the tests.
#[derive(Clone, Copy)]
struct Keys {
    bytes: [[u8; 256]; 4],
    lens: [usize; 4],
}

impl Keys {
    fn with(keys: &[Vec<u8>]) -> Keys {
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

macro_rules! control {
    ($(#[$meta:meta])* $name:ident, $title:literal, |$keys:ident, $presented:ident| $has:expr) => {
        $(#[$meta])*
        pub struct $name(Keys);

        impl Comparison for $name {
            const NAME: &'static str = $title;

            fn with(keys: &[Vec<u8>]) -> $name {
                $name(Keys::with(keys))
            }

            fn mark(&self) {
                mark(&self.0);
            }

            #[inline(always)]
            fn has(&self, $presented: &[u8]) -> bool {
                let $keys = &self.0;
                $has
            }
        }
    };
}

control!(Equal, "==", |keys, presented| keys.each().any(|key| key == presented));

control!(ByteLoop, "a loop over bytes that ends at a difference", |keys, presented| keys
    .each()
    .any(|key| { key.len() == presented.len() && key.iter().zip(presented).all(|(accepted, byte)| accepted == byte) }));

control!(
    /// Compares each key in constant time, but none after the one that matches.
    ShortCircuit, "a short circuit over the keys", |keys, presented| {
        let mut presented_padded = [0; 256];
        presented_padded[..presented.len()].copy_from_slice(presented);
        keys.bytes.iter().zip(keys.lens).any(|(bytes, len)| {
            (bytes.ct_eq(&presented_padded) & len.ct_eq(&presented.len())).into()
        })
    }
);

control!(SubtleOnSlices, "subtle on slices", |keys, presented| {
    keys.each().map(|key| key.ct_eq(presented)).fold(Choice::from(0), |any, is| any | is).into()
});
