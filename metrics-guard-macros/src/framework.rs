//! What the expansions for all frameworks share: a guarded handler, or one error.

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;
use syn::{Attribute, Path, parse_quote_spanned};

use crate::{
    args::Args,
    handler::{Item, is_guard},
};

/// The name of the parameter that holds the proof.
pub(crate) const PROOF: &str = "__metrics_guard_authorized";

/// `clippy::too_many_arguments` allows so many.
pub(crate) const CLIPPY_MAX_PARAMETERS: usize = 7;

/// A framework: its names, and how its handlers are guarded.
pub(crate) struct Framework {
    /// The crate whose items the expansion names, unless `crate = path` names another.
    pub(crate) krate: &'static str,
    /// The arguments that the attribute takes, and how a message lists them.
    pub(crate) arguments: &'static [&'static str],
    pub(crate) expected: &'static str,
    /// The route attributes, which stay outside, by the last segment of their paths.
    pub(crate) routes: &'static [&'static str],
    /// Makes the guarded item.
    pub(crate) guarded: fn(&Args, &Item) -> syn::Result<TokenStream>,
    /// Whether an attribute below ours would fail too on an item that cannot be guarded.
    pub(crate) fails_too: fn(&Args, &Item, &Attribute) -> bool,
}

impl Framework {
    /// The guarded item; or an error, and the item as it was less the attributes that would fail on it in their turn: those
    /// that `fails_too` knows, and a second guard.
    ///
    /// The item is kept so that one mistake gives one error, and not one more for each use of what is missing.
    pub(crate) fn expand(&self, args: TokenStream, item: TokenStream) -> TokenStream {
        let args = Args::parse(args, self.arguments, self.expected);
        let mut item: Item = match syn::parse2(item) {
            Ok(item) => item,
            Err(error) => return error.to_compile_error(),
        };
        let (args, error) = match args {
            Ok(args) => match (self.guarded)(&args, &item) {
                Ok(guarded) => return guarded,
                Err(error) => (args, error),
            },
            Err(error) => (Args::default(), error),
        };
        let attrs = std::mem::take(&mut item.attrs).into_iter();
        item.attrs = attrs.filter(|attr| !is_guard(attr) && !(self.fails_too)(&args, &item, attr)).collect();
        let error = error.to_compile_error();
        quote!(#error #item)
    }

    /// Where the items are that the expansion names. `span` is that of the framework's own name.
    pub(crate) fn path(&self, args: &Args, span: Span) -> Path {
        let name = Ident::new(self.krate, span);
        args.krate.clone().unwrap_or_else(|| parse_quote_spanned!(span=> ::#name))
    }

    pub(crate) fn is_route(&self, path: &Path, args: &Args) -> bool {
        let last = path.segments.last().map(|segment| &segment.ident);
        last.is_some_and(|last| Some(last) == args.route_attr.as_ref() || self.routes.iter().any(|name| last == name))
    }
}
