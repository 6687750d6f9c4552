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

/// Any item, taken apart no further than needed to tell its attributes.
pub(crate) struct Item {
    pub(crate) attrs: Vec<Attribute>,
    rest: TokenStream,
}

impl Parse for Item {
    fn parse(input: ParseStream<'_>) -> syn::Result<Item> {
        Ok(Item { attrs: input.call(Attribute::parse_outer)?, rest: input.parse()? })
    }
}

impl ToTokens for Item {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Item { attrs, rest } = self;
        tokens.extend(quote!(#(#attrs)* #rest));
    }
}

/// A function. Its body stays as it came: it may be half typed, and printed anew it would lose the invisible groups
/// that hold a `$sum` together in `$sum * 2`. (Rocket's attributes lose them all the same.)
pub(crate) struct Handler {
    pub(crate) vis: Visibility,
    pub(crate) signature: Signature,
    pub(crate) body: TokenStream,
}

impl Parse for Handler {
    fn parse(input: ParseStream<'_>) -> syn::Result<Handler> {
        let vis = input.parse()?;
        let signature = input.parse().map_err(|error| {
            Error::new(
                error.span(),
                "`#[guard_metrics]` guards a function with a Rocket route attribute, and nothing else",
            )
        })?;
        Ok(Handler { vis, signature, body: input.parse()? })
    }
}

impl Item {
    /// The handler that the item is. Refuses what would not be guarded, or would fail further on with a message that
    /// does not say why.
    pub(crate) fn handler(&self, args: &Args) -> syn::Result<Handler> {
        let handler: Handler = syn::parse2(self.rest.clone())?;
        if let Some(second) = self.attrs.iter().find(|attr| is_guard(attr)) {
            return Err(Error::new(second.path().span(), "`#[guard_metrics]` is given twice; once is enough"));
        }
        if let Some(receiver) = handler.signature.receiver() {
            return Err(Error::new(
                receiver.span(),
                "`#[guard_metrics]` guards Rocket routes, and a method cannot be one; use a free function",
            ));
        }
        let Some(route) = self.attrs.iter().find(|attr| is_route(attr.path(), args)) else {
            return Err(Error::new(
                Span::call_site(),
                "`#[guard_metrics]` must stand above the Rocket route attribute (`#[get(..)]`, `#[route(..)]`, ..): \
                 there is none below it, so the route would not be guarded. If it goes by another name here, say \
                 `#[guard_metrics(route_attr = name)]`",
            ));
        };
        let in_route = route.to_token_stream().to_string().contains(PROOF).then(|| route.span());
        match in_route.or_else(|| find_ident(handler.signature.inputs.to_token_stream(), PROOF)) {
            Some(span) => Err(Error::new(
                span,
                format!(
                    "the name `{PROOF}` is reserved by `#[guard_metrics]`; choose another, or remove a second attribute"
                ),
            )),
            None => Ok(handler),
        }
    }

    /// What stands in place of an item that cannot be guarded, beside the error that says why: the item itself, so that
    /// nothing that uses it fails as well, and without the attributes that would fail on it in their turn.
    pub(crate) fn into_remains(mut self, args: &Args) -> Item {
        let is_free_function =
            syn::parse2::<Handler>(self.rest.clone()).is_ok_and(|handler| handler.signature.receiver().is_none());
        self.attrs.retain(|attr| !is_guard(attr) && (is_free_function || !is_route(attr.path(), args)));
        self
    }
}

/// Whether `attr` is the attribute itself, under a name that the crates of this workspace give it.
fn is_guard(attr: &Attribute) -> bool {
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
