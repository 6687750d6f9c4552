//! What the expansions for all frameworks share: a guarded handler, or one error.

use proc_macro2::TokenStream;
use quote::quote;
use syn::Attribute;

use crate::{
    args::Args,
    handler::{Item, is_guard},
};

/// The name of the parameter that holds the proof.
pub(crate) const PROOF: &str = "__metrics_guard_authorized";

/// `clippy::too_many_arguments` allows so many.
pub(crate) const CLIPPY_MAX_PARAMETERS: usize = 7;

/// The item that `guard` makes of `item`; or its error, and the item as it was less the attributes that would fail on
/// it in their turn: those that `fails_too` knows, and a second guard.
///
/// The item is kept so that one mistake gives one error, and not one more for each use of what is missing.
pub(crate) fn guarded_or_error(
    args: syn::Result<Args>,
    item: TokenStream,
    guard: impl Fn(&Args, &Item) -> syn::Result<TokenStream>,
    fails_too: impl Fn(&Args, &Item, &Attribute) -> bool,
) -> TokenStream {
    let mut item: Item = match syn::parse2(item) {
        Ok(item) => item,
        Err(error) => return error.to_compile_error(),
    };
    let (args, error) = match args {
        Ok(args) => match guard(&args, &item) {
            Ok(guarded) => return guarded,
            Err(error) => (args, error),
        },
        Err(error) => (Args::default(), error),
    };
    let attrs = std::mem::take(&mut item.attrs).into_iter();
    item.attrs = attrs.filter(|attr| !is_guard(attr) && !fails_too(&args, &item, attr)).collect();
    let error = error.to_compile_error();
    quote!(#error #item)
}
