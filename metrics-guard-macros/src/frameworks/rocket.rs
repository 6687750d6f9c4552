//! Expands Rocket handlers: the proof becomes the first parameter below the route attribute.

use std::mem;

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::{
    Attribute, Error, FnArg, GenericParam, Lifetime, Pat, PatType, ext::IdentExt, parse_quote, spanned::Spanned,
};

use crate::{
    args::Args,
    attributes::Sorted,
    framework::{CLIPPY_MAX_PARAMETERS, Framework, PROOF},
    handler::{Handler, Item, find_ident},
    nested::{Nested, bind, our_name, respanned},
};

pub(crate) const FRAMEWORK: Framework = Framework {
    krate: "metrics_guard_rocket",
    arguments: &["crate", "route_attr"],
    expected: "`crate = path` or `route_attr = name`",
    source: "the fairing",
    routes: &["get", "put", "post", "delete", "head", "options", "patch", "route"],
    guarded: |args, item| guarded(args, item, validate(args, item)?),
    fails_too: |args, item, attr| FRAMEWORK.is_route(&attr.meta, args) && (!can_be_route(item) || names_proof(attr)),
};

fn can_be_route(item: &Item) -> bool {
    item.handler("").is_ok_and(|handler| {
        handler.signature.receiver().is_none() && handler.signature.generics.params.iter().all(is_lifetime)
    })
}

fn is_lifetime(parameter: &GenericParam) -> bool {
    matches!(parameter, GenericParam::Lifetime(_))
}

/// Rejects items that would not be guarded, or that would fail later with an unclear message.
fn validate(args: &Args, item: &Item) -> syn::Result<Handler> {
    let example = "#[get(\"/metrics\")] fn metrics() -> String";
    let handler = item.free_function("a Rocket route", example, "app: &State<App>")?;
    if let Some(parameter) = handler.signature.generics.params.iter().find(|parameter| !is_lifetime(parameter)) {
        return Err(Error::new(
            parameter.span(),
            "a Rocket route can be generic only over lifetimes; write a type in place of this parameter, such as `&State<App>`",
        ));
    }
    let Some(route) = item.attrs.iter().find(|attr| FRAMEWORK.is_route(&attr.meta, args)) else {
        return Err(Error::new(
            Span::call_site(),
            "`#[guard_metrics]` has no Rocket route attribute below it, so it would not guard the route; put it above \
             that attribute, such as `#[get(\"/metrics\")]`. If that attribute has another name here, write \
             `#[guard_metrics(route_attr = name)]`",
        ));
    };
    let in_route = names_proof(route).then(|| route.path().span());
    match in_route.or_else(|| find_ident(handler.signature.inputs.to_token_stream(), PROOF)) {
        Some(span) => Err(Error::new(
            span,
            format!(
                "the name `{PROOF}` is reserved for `#[guard_metrics]`; choose another name, such as `authorized`, or \
                 remove a second `#[guard_metrics]`"
            ),
        )),
        None => Ok(handler),
    }
}

/// Adds the proof as the first parameter, because Rocket runs request guards in the order of the parameters.
///
/// No attribute can run the body without a check, because no other code can build a proof. With third-party attributes, the
/// body still moves to an inner function. They then see the parameters that the user wrote, and a cache stores only the
/// response of the body.
fn guarded(args: &Args, item: &Item, handler: Handler) -> syn::Result<TokenStream> {
    let Sorted { outside, inside } = Sorted::of(&item.attrs, &FRAMEWORK, args)?;
    // Mixed-site hygiene separates the proof from the names in the body.
    let span = Span::mixed_site().located_at(Span::call_site());
    let vis = handler.vis.clone();
    let in_route = quote!(#(#outside)*).to_string();
    // The proof is an additional parameter, so clippy would report a function at its limit.
    let is_one_more = handler.signature.inputs.len() == CLIPPY_MAX_PARAMETERS;
    let joined = if is_one_more { first_request_guard(&handler, &in_route) } else { None };
    let (mut signature, body) = if inside.is_empty() {
        let (mut signature, mut body) = (handler.signature, handler.body);
        if let Some(FnArg::Typed(with)) = joined.and_then(|index| signature.inputs.get_mut(index)) {
            let both = our_name(0, span);
            let users = mem::replace(&mut *with.pat, parse_quote!(#both));
            let binding = bind(&users, &quote_spanned!(span=> #both.1), &both, span);
            let label = Lifetime::new("'_body", span);
            body = quote_spanned!(span=> { #binding #label: #body });
        }
        (signature, body)
    } else {
        let parts = joined.map(|index| {
            let both = our_name(index, span);
            quote_spanned!(span=> let #both = #both.1;)
        });
        // The route names the other parameters, so only a request guard can be renamed.
        let kept = |index, name: &Ident| {
            let is_kept = Some(index) != joined && in_route.contains(&name.unraw().to_string());
            is_kept.then(|| name.clone())
        };
        let nested = Nested::of(&inside, handler, None, kept, span)?;
        let block = nested.block();
        let asyncness = nested.is_async.then(|| quote_spanned!(span=> async));
        let outer = nested.outer;
        (parse_quote!(#asyncness #outer), quote_spanned!(span=> { #parts #block }))
    };

    // Rocket names its variables by the span of a parameter's type. It must be a span of the function, because either the
    // function or `#[guard_metrics]` alone may come from a `macro_rules!`.
    let function = signature.fn_token.span;
    let adapter = respanned(FRAMEWORK.path(args, function).to_token_stream(), function);
    let mut allow = None;
    if let Some(FnArg::Typed(with)) = joined.and_then(|index| signature.inputs.get_mut(index)) {
        let guard = &with.ty;
        *with.ty = parse_quote!(#adapter::expansion::Both<#adapter::Authorized, #guard>);
    } else {
        // If the route names all seven, there is no request guard to join with the proof.
        allow = is_one_more.then(|| quote!(#[allow(clippy::too_many_arguments)]));
        let name = Ident::new(PROOF, span);
        signature.inputs.insert(0, parse_quote!(#name: #adapter::Authorized));
    }

    let signature = without_invisible_groups(signature.into_token_stream());
    Ok(quote!(#allow #(#outside)* #vis #signature #body))
}

/// Returns the index of the first parameter that the route does not name. Returns `None` if a parameter has an
/// attribute.
fn first_request_guard(handler: &Handler, route: &str) -> Option<usize> {
    let is_named = |input: &FnArg| match input {
        FnArg::Typed(PatType { pat, .. }) => match &**pat {
            Pat::Ident(name) => {
                let name = name.ident.unraw();
                route.contains(&format!("<{name}>")) || route.contains(&format!("<{name}..>"))
            }
            _ => false,
        },
        FnArg::Receiver(_) => true,
    };
    let has_attribute = |input: &FnArg| matches!(input, FnArg::Typed(parameter) if !parameter.attrs.is_empty());
    let inputs = &handler.signature.inputs;
    if inputs.iter().any(has_attribute) { None } else { inputs.iter().position(|input| !is_named(input)) }
}

/// Returns whether the route uses the name of the proof, because Rocket compares names as text and ignores hygiene.
fn names_proof(route: &Attribute) -> bool {
    route.to_token_stream().to_string().contains(PROOF)
}

/// Replaces each invisible group in `tokens` by its content.
///
/// A `$type:ty` of a `macro_rules!` arrives in such a group, which has a span of the macro. The compiler drops the group
/// from our output. Rocket names its variables by the span of a type's first token, and would not find them any more.
/// Therefore that token gets the span of the group.
fn without_invisible_groups(tokens: TokenStream) -> TokenStream {
    let dissolve = |token| match token {
        TokenTree::Group(group) if group.delimiter() == Delimiter::None => {
            respanned(without_invisible_groups(group.stream()), group.span())
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
