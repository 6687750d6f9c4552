//! Parses the item below the attribute, as far as the frameworks need it.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::{
    Attribute, Error, LitStr, Path, Safety, Signature, Token, Visibility,
    parse::{Parse, ParseStream, Parser},
    spanned::Spanned,
};

/// An item of any kind, and its attributes.
pub(crate) struct Item {
    pub(crate) attrs: Vec<Attribute>,
    rest: TokenStream,
}

/// A function. Its body is not parsed, because it may be incomplete while the user types.
///
/// A parsed body would also lose the invisible groups that hold a `$sum` together in `$sum * 2`. Rocket's attributes
/// lose these too.
pub(crate) struct Handler {
    pub(crate) vis: Visibility,
    pub(crate) signature: Signature,
    pub(crate) body: TokenStream,
}

impl Item {
    /// Returns the item as a function. Rejects other items with a message that contains `what`, and a second guard.
    pub(crate) fn handler(&self, what: &str) -> syn::Result<Handler> {
        let parser = |input: ParseStream<'_>| {
            let vis = input.parse()?;
            if !is_function(input) {
                return Err(input.error(format!("this item is not a function; put `#[guard_metrics]` on {what}")));
            }
            Ok(Handler { vis, signature: input.parse()?, body: input.parse()? })
        };
        let handler = parser.parse2(self.rest.clone())?;
        match self.attrs.iter().find(|attr| is_guard(attr)) {
            Some(second) => {
                Err(Error::new(second.path().span(), "`#[guard_metrics]` is given twice; remove one of the two"))
            }
            None => Ok(handler),
        }
    }

    /// Returns the item as a function that can be `what`, such as "an axum handler". Rejects other items with messages that
    /// contain an example of such a function, and of a parameter that replaces `self`.
    pub(crate) fn free_function(&self, what: &str, example: &str, parameter: &str) -> syn::Result<Handler> {
        let handler = self.handler(&format!("{what}, such as `{example}`"))?;
        let signature = &handler.signature;
        let (span, error) = match (signature.receiver(), &signature.safety, &signature.abi) {
            (Some(receiver), ..) => (
                receiver.span(),
                format!("a method cannot be {what}; write a function and pass it the data, such as `{parameter}`"),
            ),
            (_, Safety::Unsafe(token), _) => {
                (token.span(), format!("an `unsafe` function cannot be {what}; remove `unsafe`"))
            }
            (.., Some(abi)) => {
                (abi.extern_token.span(), format!("an `extern` function cannot be {what}; remove `extern`"))
            }
            _ => return Ok(handler),
        };
        Err(Error::new(span, error))
    }
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

/// Returns whether a function is next.
fn is_function(input: ParseStream<'_>) -> bool {
    let ahead = input.fork();
    while ahead.peek(Token![const])
        || ahead.peek(Token![async])
        || ahead.peek(Token![unsafe])
        || ahead.peek(Token![extern])
    {
        // Skips the qualifier, which `peek` has just seen, and the name of an ABI.
        let _ = ahead.parse::<TokenTree>();
        let _ = ahead.parse::<Option<LitStr>>();
    }
    ahead.peek(Token![fn])
}

/// Returns whether `attr` is this attribute, under any name that the crates of this workspace export.
pub(crate) fn is_guard(attr: &Attribute) -> bool {
    attr.path().segments.last().is_some_and(|last| last.ident.to_string().starts_with("guard_metrics"))
}

/// Returns whether the last segment of `path` is `name`.
pub(crate) fn last_is(path: &Path, name: &str) -> bool {
    path.segments.last().is_some_and(|segment| segment.ident == name)
}

/// Returns the position of the first `name` among `tokens`, at any depth.
pub(crate) fn find_ident(tokens: TokenStream, name: &str) -> Option<Span> {
    tokens.into_iter().find_map(|token| match token {
        TokenTree::Ident(ident) if ident == name => Some(ident.span()),
        TokenTree::Group(group) => find_ident(group.stream(), name),
        _ => None,
    })
}
