//! The items that expansions of the attribute `#[guard_metrics]` name.

#[cfg(feature = "macros")]
pub(crate) mod answer;
pub mod expansion;
