//! Expands the attribute for any framework: into a guarded handler, or into one error.

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::quote;
use syn::{Attribute, Meta, Path, parse_quote_spanned};

use crate::{
    args::Args,
    handler::{Item, is_guard},
};

/// The name of the parameter that holds the proof.
pub(crate) const PROOF: &str = "__metrics_guard_authorized";

/// The number of parameters that `clippy::too_many_arguments` allows.
pub(crate) const CLIPPY_MAX_PARAMETERS: usize = 7;

/// A framework: its names, and the functions that guard its handlers.
pub(crate) struct Framework {
    /// The crate whose items the expansion names, unless `crate = path` names another.
    pub(crate) krate: &'static str,
    /// The arguments that the attribute accepts, and their list for error messages.
    pub(crate) arguments: &'static [&'static str],
    pub(crate) expected: &'static str,
    /// The source of the guard, for the error of the argument `guard` in a framework that does not accept it.
    pub(crate) source: &'static str,
    /// The route attributes, which stay outside: the last segment of each path.
    pub(crate) routes: &'static [&'static str],
    /// Builds the guarded item.
    pub(crate) guarded: fn(&Args, &Item) -> syn::Result<TokenStream>,
    /// Returns whether this attribute would also fail on an item that cannot be guarded.
    pub(crate) fails_too: fn(&Args, &Item, &Attribute) -> bool,
}

impl Framework {
    /// Returns the guarded item, or an error and the unguarded item.
    ///
    /// The item follows the error so that each of its uses does not cause an error of its own. A second guard and the
    /// attributes that `fails_too` knows are removed from it, because they would also fail.
    pub(crate) fn expand(&self, args: TokenStream, item: TokenStream) -> TokenStream {
        let args = Args::parse(args, self.arguments, self.expected, self.source);
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

    /// Returns the path of the items that the expansion names. The default path has `span`.
    pub(crate) fn path(&self, args: &Args, span: Span) -> Path {
        let name = Ident::new(self.krate, span);
        args.krate.clone().unwrap_or_else(|| parse_quote_spanned!(span=> ::#name))
    }

    pub(crate) fn is_route(&self, meta: &Meta, args: &Args) -> bool {
        let last = meta.path().segments.last().map(|segment| &segment.ident);
        last.is_some_and(|last| {
            let is_known = || self.routes.iter().any(|name| last == name) && !(last == "trace" && is_span(meta));
            Some(last) == args.route_attr.as_ref() || is_known()
        })
    }
}

/// Returns whether `trace` is the attribute of a tracing library, because a route begins with its path.
fn is_span(meta: &Meta) -> bool {
    let Meta::List(list) = meta else { return true };
    !matches!(list.tokens.clone().into_iter().next(), Some(TokenTree::Literal(_) | TokenTree::Group(_)))
}
