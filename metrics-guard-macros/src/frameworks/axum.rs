//! Expands axum handlers: the proof becomes the first parameter, and the response gets `no-store`.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote_spanned};
use syn::{Error, FnArg, PatType, parse_quote, spanned::Spanned};

use crate::{
    args::Args,
    attributes::Sorted,
    framework::{CLIPPY_MAX_PARAMETERS, Framework, PROOF},
    handler::Item,
    nested::Nested,
};

/// The greatest number of parameters of an axum handler.
const MAX_PARAMETERS: usize = 16;

pub(crate) const FRAMEWORK: Framework = Framework {
    krate: "metrics_guard_tower",
    arguments: &["crate"],
    expected: "`crate = path`",
    source: "the router's state",
    routes: &[],
    guarded,
    fails_too: |_, _, _| false,
};

/// Adds the proof as the first parameter, because axum runs extractors in the order of the parameters.
fn guarded(args: &Args, item: &Item) -> syn::Result<TokenStream> {
    let handler = item.free_function("an axum handler", "async fn metrics() -> String", "State(app): State<App>")?;
    let signature = &handler.signature;
    if signature.inputs.len() >= MAX_PARAMETERS {
        return Err(Error::new(
            signature.paren_token.span.join(),
            "`#[guard_metrics]` needs one of the 16 parameters of an axum handler; combine two others, such as \
             `(method, headers): (Method, HeaderMap)`",
        ));
    }
    let krate = FRAMEWORK.path(args, Span::call_site());
    let Sorted { outside, inside } = Sorted::of(&item.attrs, &FRAMEWORK, args)?;
    let vis = handler.vis.clone();

    // Mixed-site hygiene separates our names from the user's.
    let span = Span::mixed_site().located_at(Span::call_site());
    let Nested { mut outer, definition, call, is_awaited, output, .. } =
        Nested::of(&inside, handler, Some(&krate), |_, _| None, span)?;
    // The block gives the function something to await, because clippy reports an `async` function without.
    let answer = if is_awaited { call } else { quote_spanned!(span=> async move { #call }) };
    let proof = Ident::new(PROOF, span);
    let first = outer.inputs.first().filter(|_| outer.inputs.len() == CLIPPY_MAX_PARAMETERS);
    if let Some(FnArg::Typed(PatType { pat, ty, .. })) = first {
        // A pair is one extractor that runs its parts in order, so clippy counts as many parameters as the user wrote. An
        // `allow` of the lint would be an error where the user forbids it.
        outer.inputs[0] = parse_quote!((#proof, #pat): (#krate::Authorized, #ty));
    } else {
        outer.inputs.insert(0, parse_quote!(#proof: #krate::Authorized));
    }
    outer.asyncness = Some(parse_quote!(async));
    outer.output = parse_quote!(-> #krate::expansion::Response);
    // These tokens have the position of the return type, because an error here concerns that type. The body is awaited
    // separately, so that the error does not point to it.
    let of_output = span.located_at(output.span());
    let said = format_ident!("__metrics_guard_answer", span = of_output);
    let unstored = quote_spanned!(of_output=> #krate::expansion::unstored(&#proof, #said));
    Ok(quote_spanned! {span=>
        #(#outside)*
        #vis #outer {
            #definition
            let #said = #answer.await;
            #unstored
        }
    })
}
