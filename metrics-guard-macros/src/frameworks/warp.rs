//! Expands Warp handlers: the handler does nothing until a guard unlocks it.

use proc_macro2::{Span, TokenStream};
use quote::quote_spanned;
use syn::parse_quote;

use crate::{args::Args, attributes::Sorted, framework::Framework, handler::Item, nested::Nested};

pub(crate) const FRAMEWORK: Framework = Framework {
    krate: "metrics_guard_warp",
    arguments: &["crate"],
    expected: "`crate = path`",
    source: "`MetricsGuard::protect`",
    routes: &[],
    guarded,
    fails_too: |_, _, _| false,
};

/// Returns the function with its name and parameters. It returns its body as a locked future.
fn guarded(args: &Args, item: &Item) -> syn::Result<TokenStream> {
    let handler = item.free_function("a Warp handler", "async fn metrics() -> String", "app: Arc<App>")?;
    let krate = FRAMEWORK.path(args, Span::call_site());
    let Sorted { outside, inside } = Sorted::of(&item.attrs, &FRAMEWORK, args)?;
    let vis = handler.vis.clone();

    // Mixed-site hygiene separates our names from the user's.
    let span = Span::mixed_site().located_at(Span::call_site());
    let Nested { mut outer, definition, call, is_async, is_awaited, output, .. } =
        Nested::of(&inside, handler, Some(&krate), |_, _| None, span)?;
    let future = quote_spanned!(span=> ::core::future::Future);
    outer.output = parse_quote!(-> #krate::Locked<impl #future<Output = #output> + ::core::marker::Send>);
    let run = match (is_async, is_awaited) {
        (true, _) => call,
        (false, true) => quote_spanned!(span=> async move { #call.await }),
        (false, false) => quote_spanned!(span=> async move { #call }),
    };
    Ok(quote_spanned! {span=>
        #(#outside)*
        #vis #outer {
            #definition
            #krate::Locked::new(#run)
        }
    })
}
