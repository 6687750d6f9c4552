//! Expands actix-web handlers: the handler becomes a function from the guard to the guarded handler or route.

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::{Attribute, Error, GenericParam, Meta, Safety, spanned::Spanned};

use crate::{
    args::Args,
    attributes::Sorted,
    framework::Framework,
    handler::{Handler, Item},
};

pub(crate) const FRAMEWORK: Framework = Framework {
    krate: "metrics_guard_actix",
    arguments: &["crate", "route_attr"],
    expected: "`crate = path` or `route_attr = name`",
    source: "the call in the route, such as `.service(metrics(&guard))`",
    routes: &["get", "post", "put", "delete", "head", "connect", "options", "trace", "patch", "route", "routes"],
    guarded,
    fails_too: |args, item, attr| FRAMEWORK.is_route(attr.path(), args) && validate(item).is_err(),
};

/// Rejects items that would fail later with an unclear message.
fn validate(item: &Item) -> syn::Result<Handler> {
    let handler = item.handler("an actix-web handler, such as `async fn metrics() -> String`")?;
    let signature = &handler.signature;
    if let Some(receiver) = signature.receiver() {
        return Err(Error::new(
            receiver.span(),
            "a method cannot be an actix-web handler; write a function and pass it the data, such as `app: web::Data<App>`",
        ));
    }
    let odd = match (&signature.safety, &signature.abi, &signature.constness) {
        (Safety::Unsafe(token), ..) => Some(("unsafe", token.span())),
        (_, Some(abi), _) => Some(("extern", abi.extern_token.span())),
        (_, _, Some(token)) => Some(("const", token.span())),
        _ => None,
    };
    match odd {
        Some((kind, span)) => {
            Err(Error::new(span, format!("a `{kind}` function cannot be an actix-web handler; remove `{kind}`")))
        }
        None => Ok(handler),
    }
}

/// Returns a function from the guard to the route, if there is a route attribute, or else to the handler.
///
/// The handler itself is an inner function, so that no other code can register it without a guard. It keeps its parameters,
/// its body and the attribute macros below ours, which therefore apply only inside the check.
fn guarded(args: &Args, item: &Item) -> syn::Result<TokenStream> {
    let Handler { vis, signature, body } = validate(item)?;
    let krate = FRAMEWORK.path(args, Span::call_site());
    let Sorted { outside, inside } = Sorted::of(&item.attrs, &FRAMEWORK, args)?;
    let is_route = |attr: &Attribute| FRAMEWORK.is_route(attr.path(), args);
    let (routes, outside): (Vec<_>, Vec<_>) = outside.into_iter().partition(is_route);
    let name = &signature.ident;

    // Mixed-site hygiene separates our names from the user's.
    let span = Span::mixed_site().located_at(Span::call_site());
    let guard = Ident::new("guard", span);
    if routes.is_empty() {
        let chosen = signature.generics.params.iter().filter_map(|parameter| match parameter {
            GenericParam::Type(of) => Some(of.ident.to_token_stream()),
            GenericParam::Const(of) => Some(of.ident.to_token_stream()),
            GenericParam::Lifetime(_) => None,
        });
        let chosen: Vec<_> = chosen.collect();
        let turbofish = (!chosen.is_empty()).then(|| quote!(::<#(#chosen),*>));
        let (generics, bounds) = (&signature.generics, &signature.generics.where_clause);
        Ok(quote_spanned! {span=>
            #(#outside)*
            #vis fn #name #generics(
                #guard: &#krate::Guard,
            ) -> impl #krate::expansion::Handler<#krate::expansion::Request, Output = #krate::expansion::Response> + use<#(#chosen),*>
            #bounds
            {
                #(#inside)*
                #signature #body
                #krate::expansion::handler(#guard, #name #turbofish)
            }
        })
    } else {
        let routes = routes.into_iter().map(|route| wrapped(route, span));
        Ok(quote_spanned! {span=>
            #(#outside)*
            #vis fn #name(#guard: &#krate::Guard) -> impl #krate::expansion::HttpServiceFactory + use<> {
                use #krate::expansion::registered as __metrics_guard_registered;
                #(#routes)*
                #(#inside)*
                #signature #body
                #krate::expansion::service(#guard, #name)
            }
        })
    }
}

/// Adds the guard to the middleware of a route attribute. The last one is the outermost, so that the guard runs first.
fn wrapped(mut route: Attribute, span: Span) -> Attribute {
    if let Meta::List(list) = &mut route.meta {
        let last = list.tokens.clone().into_iter().last();
        let ends = matches!(&last, Some(TokenTree::Punct(punct)) if punct.as_char() == ',');
        let comma = (!ends && last.is_some()).then(|| quote!(,));
        list.tokens.extend(quote_spanned!(span=> #comma wrap = "__metrics_guard_registered()"));
    }
    route
}
