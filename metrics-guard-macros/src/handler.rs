//! The item below the attribute, and whether it can be guarded.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::{
    Attribute, Error, Path, Signature, Visibility,
    parse::{Parse, ParseStream},
    spanned::Spanned,
};

use crate::args::Args;

/// The name of the parameter that holds the proof. Rocket tells parameters apart by their text, so that a user's own
/// must not have it, hygiene or not.
pub(crate) const PROOF: &str = "__metrics_guard_authorized";

const ROUTE_ATTRIBUTES: [&str; 8] = ["get", "put", "post", "delete", "head", "options", "patch", "route"];

/// A function. Its body stays as it came: what the user is still typing is none of our business.
pub(crate) struct Handler {
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) vis: Visibility,
    pub(crate) signature: Signature,
    pub(crate) body: TokenStream,
}

impl Parse for Handler {
    fn parse(input: ParseStream<'_>) -> syn::Result<Handler> {
        let attrs = input.call(Attribute::parse_outer)?;
        let vis = input.parse()?;
        let signature = input.parse().map_err(|error| {
            Error::new(
                error.span(),
                "`#[guard_metrics]` guards a function with a Rocket route attribute, and nothing else",
            )
        })?;
        Ok(Handler { attrs, vis, signature, body: input.parse()? })
    }
}

impl ToTokens for Handler {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Handler { attrs, vis, signature, body } = self;
        tokens.extend(quote!(#(#attrs)* #vis #signature #body));
    }
}

impl Handler {
    /// Refuses what would not be guarded, or would fail further on with a message that does not say why.
    pub(crate) fn validate(&self, args: &Args) -> syn::Result<()> {
        if let Some(second) = self.attrs.iter().find(|attr| is_guard(attr)) {
            return Err(Error::new(second.span(), "`#[guard_metrics]` is given twice; once is enough"));
        }
        if let Some(receiver) = self.signature.receiver() {
            return Err(Error::new(
                receiver.span(),
                "`#[guard_metrics]` guards Rocket routes, and a method cannot be one; use a free function",
            ));
        }
        if !self.attrs.iter().any(|attr| is_route(attr.path(), args)) {
            return Err(Error::new(
                Span::call_site(),
                "`#[guard_metrics]` must stand above the Rocket route attribute (`#[get(..)]`, `#[route(..)]`, ..): \
                 there is none below it, so the route would not be guarded. If it goes by another name here, say \
                 `#[guard_metrics(route_attr = name)]`",
            ));
        }
        match find_ident(self.signature.inputs.to_token_stream(), PROOF) {
            Some(span) => Err(Error::new(
                span,
                format!(
                    "the name `{PROOF}` is reserved by `#[guard_metrics]`; rename the parameter, or remove the second attribute"
                ),
            )),
            None => Ok(()),
        }
    }
}

/// Whether `attr` is the attribute itself, under a name that the crates of this workspace give it.
pub(crate) fn is_guard(attr: &Attribute) -> bool {
    last_is(attr.path(), "guard_metrics") || last_is(attr.path(), "guard_metrics_rocket")
}

fn is_route(path: &Path, args: &Args) -> bool {
    let is_alias = path.segments.last().is_some_and(|segment| Some(&segment.ident) == args.route_attr.as_ref());
    is_alias || ROUTE_ATTRIBUTES.iter().any(|name| last_is(path, name))
}

fn last_is(path: &Path, name: &str) -> bool {
    path.segments.last().is_some_and(|segment| segment.ident == name)
}

fn find_ident(tokens: TokenStream, name: &str) -> Option<Span> {
    tokens.into_iter().find_map(|token| match token {
        TokenTree::Ident(ident) if ident == name => Some(ident.span()),
        TokenTree::Group(group) => find_ident(group.stream(), name),
        _ => None,
    })
}
