//! Expands actix-web handlers: the handler becomes a function from the guard to the guarded handler or route.

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{quote, quote_spanned};
use syn::{Attribute, Meta, Signature};

use crate::{
    args::Args,
    attributes::Sorted,
    framework::Framework,
    handler::{Handler, Item},
    nested::{Nested, chosen},
};

pub(crate) const FRAMEWORK: Framework = Framework {
    krate: "metrics_guard_actix",
    arguments: &["crate", "route_attr"],
    expected: "`crate = path` or `route_attr = name`",
    source: "the call in the route, such as `.service(metrics(&guard))`",
    routes: &[
        "get", "post", "put", "delete", "head", "connect", "options", "trace", "patch", "query", "route", "routes",
    ],
    guarded: |args, item| guarded(args, item, validate(item)?),
    fails_too: |args, item, attr| FRAMEWORK.is_route(&attr.meta, args) && validate(item).is_err(),
};

/// Rejects items that would fail later with an unclear message.
fn validate(item: &Item) -> syn::Result<Handler> {
    item.free_function("an actix-web handler", "async fn metrics() -> String", "app: web::Data<App>")
}

/// Returns a function from the guard to the route, if there is a route attribute, or else to the handler.
///
/// The unguarded handler is inside this function, so that no other code can register it. Attribute macros below ours apply
/// only inside the check.
fn guarded(args: &Args, item: &Item, handler: Handler) -> syn::Result<TokenStream> {
    let Sorted { outside, inside } = Sorted::of(&item.attrs, &FRAMEWORK, args)?;
    let (mut routes, outside): (Vec<_>, Vec<_>) =
        outside.into_iter().partition(|attr| FRAMEWORK.is_route(&attr.meta, args));
    let Handler { vis, signature, body } = handler;
    let name = &signature.ident;
    // Mixed-site hygiene separates our names from the user's. An error in our tokens concerns the whole handler.
    let span = Span::mixed_site().located_at(name.span());
    let krate = FRAMEWORK.path(args, span);
    let guard = Ident::new("__metrics_guard", span);
    for route in &mut routes {
        wrap(route, span);
    }
    let Signature { generics, inputs, .. } = &signature;
    let bounds = &generics.where_clause;
    let chosen: Vec<_> = chosen(generics).collect();
    let has_lifetimes = quote!(#generics #inputs).to_string().contains(['&', '\'']);
    let (definition, function) = if inside.is_empty() && !has_lifetimes {
        let handler = Handler { vis: vis.clone(), signature: signature.clone(), body };
        let Nested { outer, definition, call, .. } = Nested::of(&[], handler, Some(&krate), |_, _| None, span)?;
        let parameters = outer.inputs;
        (definition, quote_spanned!(span=> move |#parameters| #call))
    } else {
        // A closure could not take a `Data<&str>` of every lifetime.
        (quote_spanned!(span=> #(#inside)* #signature #body), quote_spanned!(span=> #name::<#(#chosen),*>))
    };
    let expansion = quote_spanned!(span=> #krate::expansion);
    if routes.is_empty() {
        let handler = quote_spanned!(span=> #expansion::Handler<#expansion::Request, Output = #expansion::Response>);
        return Ok(quote_spanned! {span=>
            #(#outside)*
            #vis fn #name #generics(#guard: &#krate::Guard) -> impl #handler + use<#(#chosen),*> #bounds {
                #definition
                #expansion::handler(#guard, #function)
            }
        });
    }
    // The route's own handler takes the proof that the middleware has run.
    Ok(quote_spanned! {span=>
        #(#outside)*
        #vis fn #name(#guard: &#krate::Guard) -> impl #expansion::HttpServiceFactory + use<> {
            use #expansion::registered as __metrics_guard_registered;
            #(#routes)*
            async fn #name #generics(allowed: #expansion::Allowed) -> #expansion::HttpResponse #bounds {
                #definition
                allowed.run(#function).await
            }
            #expansion::service(#guard, #name)
        }
    })
}

/// Adds the guard to the middleware of a route attribute. The last one is the outermost, so that the guard runs first.
fn wrap(route: &mut Attribute, span: Span) {
    if let Meta::List(list) = &mut route.meta {
        let last = list.tokens.clone().into_iter().last();
        let has_comma = matches!(last, Some(TokenTree::Punct(punct)) if punct.as_char() == ',');
        let comma = (!has_comma).then(|| quote!(,));
        list.tokens.extend(quote_spanned!(span=> #comma wrap = "__metrics_guard_registered()"));
    }
}
