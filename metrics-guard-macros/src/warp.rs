//! Warp: a handler that does nothing until a guard unlocks it.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::{Attribute, Error, FnArg, GenericParam, ReturnType, Type, parse_quote, spanned::Spanned};

use crate::{
    args::Args,
    expand::guarded_or_error,
    handler::{Handler, Item},
};

/// Attributes that are about the function as its callers see it, and those that hold for all that stands in it.
const OF_THE_OUTSIDE: [&str; 9] = ["allow", "cfg", "deny", "deprecated", "doc", "expect", "forbid", "must_use", "warn"];

pub(crate) fn expand(args: TokenStream, item: TokenStream) -> TokenStream {
    let args = Args::parse(args, &["crate"], "`crate = path`");
    guarded_or_error(args, item, guarded, |_, _, _| false)
}

/// The function under its name and with its parameters, but returning the body as a future under lock. The body stands
/// in a function of its own inside, so that `?`, `return` and `impl Trait` mean in it what they did.
fn guarded(args: &Args, item: &Item) -> syn::Result<TokenStream> {
    let Handler { vis, signature: inner, body } = item.handler("a function")?;
    if let Some(receiver) = inner.receiver() {
        return Err(Error::new(
            receiver.span(),
            "`#[guard_metrics]` guards Warp handlers, which are functions: take what the method needs as parameters",
        ));
    }
    let krate = args.krate.clone().unwrap_or_else(|| parse_quote!(::metrics_guard_warp));
    let output: Type = match &inner.output {
        ReturnType::Default => parse_quote!(()),
        ReturnType::Type(_, output) => (**output).clone(),
    };

    // Mixed-site: no name of ours meets one of the user's.
    let span = Span::mixed_site().located_at(Span::call_site());
    let mut outer = inner.clone();
    (outer.asyncness, outer.constness) = (None, None);
    let mut parameters: Vec<Ident> = Vec::new();
    for input in &mut outer.inputs {
        if let FnArg::Typed(parameter) = input {
            if let Some(attr) = parameter.attrs.first() {
                return Err(Error::new(
                    attr.path().span(),
                    "`#[guard_metrics]` cannot hand on a parameter with an attribute: put it on the function",
                ));
            }
            let name = format_ident!("parameter_{}", parameters.len(), span = span);
            *parameter.pat = parse_quote!(#name);
            parameters.push(name);
        }
    }
    let future = quote_spanned!(span=> ::core::future::Future);
    outer.output = parse_quote!(-> #krate::Locked<impl #future<Output = #output> + ::core::marker::Send>);

    let name = &inner.ident;
    let chosen = inner.generics.params.iter().filter_map(|parameter| match parameter {
        GenericParam::Type(of) => Some(of.ident.to_token_stream()),
        GenericParam::Const(of) => Some(of.ident.to_token_stream()),
        GenericParam::Lifetime(_) => None,
    });
    let chosen: Vec<_> = chosen.collect();
    let chosen = (!chosen.is_empty()).then(|| quote!(::<#(#chosen),*>));
    let run = quote_spanned!(span=> #name #chosen (#(#parameters),*));
    let run = if inner.asyncness.is_some() { run } else { quote_spanned!(span=> async move { #run }) };

    let is_of_the_outside = |attr: &&Attribute| OF_THE_OUTSIDE.iter().any(|name| attr.path().is_ident(name));
    let (outside, inside): (Vec<_>, Vec<_>) = item.attrs.iter().partition(is_of_the_outside);
    Ok(quote_spanned! {span=>
        #(#outside)*
        #vis #outer {
            #(#inside)*
            #inner #body
            #krate::Locked::new(#run)
        }
    })
}
