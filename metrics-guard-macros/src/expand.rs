//! The guarded handler, or the error and the handler as it was.

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::{Attribute, Error, parse_quote, parse_quote_spanned};

use crate::{
    args::Args,
    handler::{Handler, Item, PROOF},
};

/// `clippy::too_many_arguments` allows so many.
const CLIPPY_MAX_PARAMETERS: usize = 7;

/// The expansion for Rocket.
pub(crate) fn rocket(args: TokenStream, item: TokenStream) -> TokenStream {
    try_rocket(args, item).unwrap_or_else(|(error, remains)| {
        let error = error.to_compile_error();
        quote!(#error #remains)
    })
}

fn try_rocket(args: TokenStream, item: TokenStream) -> Result<TokenStream, (Error, Option<Item>)> {
    let item: Item = syn::parse2(item).map_err(|error| (error, None))?;
    let (args, error) = match syn::parse2(args) {
        Ok(args) => (args, None),
        Err(error) => (Args::default(), Some(error)),
    };
    let handler = error.map_or_else(|| item.handler(&args), Err);
    match handler {
        Ok(handler) => Ok(guarded(args, &item.attrs, handler)),
        Err(error) => Err((error, Some(item.into_remains(&args)))),
    }
}

/// The handler with the proof as its first parameter: Rocket runs request guards in the order of the parameters.
fn guarded(args: Args, attrs: &[Attribute], handler: Handler) -> TokenStream {
    let adapter = args.adapter.unwrap_or_else(|| parse_quote!(::metrics_guard_rocket));
    let Handler { vis, mut signature, body } = handler;

    // The user wrote no more parameters than clippy allows, and is not to hear of one more.
    let allow = (signature.inputs.len() == CLIPPY_MAX_PARAMETERS).then(|| quote!(#[allow(clippy::too_many_arguments)]));
    // Mixed-site: code in the body can neither name the proof nor be shadowed by it.
    let span = Span::mixed_site().located_at(Span::call_site());
    let name = Ident::new(PROOF, span);
    signature.inputs.insert(0, parse_quote_spanned!(span=> #name: #adapter::Authorized));

    let signature = without_invisible_groups(signature.into_token_stream());
    quote!(#allow #(#attrs)* #vis #signature #body)
}

/// `tokens`, with each invisible group replaced by what is in it.
///
/// A `$type:ty` of a `macro_rules!` comes in such a group, whose span is that of the macro's own tokens. The compiler
/// drops the group when it reads what we return, and Rocket, which names its variables by the span of a type's first
/// token, would then not find them: so that token takes over the span of the group.
fn without_invisible_groups(tokens: TokenStream) -> TokenStream {
    let dissolve = |token| match token {
        TokenTree::Group(group) if group.delimiter() == Delimiter::None => {
            let mut inner = without_invisible_groups(group.stream()).into_iter();
            let first = inner.next().map(|mut first| {
                first.set_span(group.span().located_at(first.span()));
                first
            });
            first.into_iter().chain(inner).collect()
        }
        TokenTree::Group(group) => {
            let mut visible = Group::new(group.delimiter(), without_invisible_groups(group.stream()));
            visible.set_span(group.span());
            TokenTree::Group(visible).into()
        }
        token => TokenStream::from(token),
    };
    tokens.into_iter().flat_map(dissolve).collect()
}
