//! axum: a handler that asks for the proof first, and whose answer is kept from shared caches.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote_spanned};
use syn::{Error, FnArg, PatType, Safety, parse_quote, spanned::Spanned};

use crate::{
    args::Args,
    attributes::Sorted,
    framework::{CLIPPY_MAX_PARAMETERS, Framework, PROOF},
    handler::Item,
    nested::Nested,
};

/// axum's handlers have so many parameters at most.
const MAX_PARAMETERS: usize = 16;

pub(crate) const FRAMEWORK: Framework = Framework {
    krate: "metrics_guard_tower",
    arguments: &["crate"],
    expected: "`crate = path`",
    routes: &[],
    guarded,
    fails_too: |_, _, _| false,
};

/// axum runs extractors in the order of the parameters: the proof comes first.
fn guarded(args: &Args, item: &Item) -> syn::Result<TokenStream> {
    let handler = item.handler("an axum handler, such as `async fn metrics() -> String`")?;
    let signature = &handler.signature;
    if let Some(receiver) = signature.receiver() {
        return Err(Error::new(
            receiver.span(),
            "a method cannot be an axum handler; write a function and pass it the data, such as `State(app): State<App>`",
        ));
    }
    let odd = match (&signature.safety, &signature.abi) {
        (Safety::Unsafe(token), _) => Some(("unsafe", token.span())),
        (_, Some(abi)) => Some(("extern", abi.extern_token.span())),
        _ => None,
    };
    if let Some((kind, span)) = odd {
        return Err(Error::new(span, format!("an `{kind}` function cannot be an axum handler; remove `{kind}`")));
    }
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

    // Mixed-site: no name of ours meets one of the user's.
    let span = Span::mixed_site().located_at(Span::call_site());
    let Nested { mut outer, definition, call, is_awaited, output, .. } =
        Nested::of(&inside, handler, Some(&krate), |_, _| None, span)?;
    // With something to await in any case: clippy asks of an `async` function that there is.
    let answer = if is_awaited { call } else { quote_spanned!(span=> async move { #call }) };
    let proof = Ident::new(PROOF, span);
    let first = outer.inputs.first().filter(|_| outer.inputs.len() == CLIPPY_MAX_PARAMETERS);
    if let Some(FnArg::Typed(PatType { pat, ty, .. })) = first {
        // A pair is one extractor, its parts in their order: clippy counts no more parameters than the user wrote, and an
        // `allow` would be an error where it is forbidden.
        outer.inputs[0] = parse_quote!((#proof, #pat): (#krate::Authorized, #ty));
    } else {
        outer.inputs.insert(0, parse_quote!(#proof: #krate::Authorized));
    }
    outer.asyncness = Some(parse_quote!(async));
    outer.output = parse_quote!(-> #krate::expansion::Response);
    // Located at the return type, which is what an error here is about; the call by itself, or that would be what it names.
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
