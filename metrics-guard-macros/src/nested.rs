//! A handler as two functions: the one that the framework calls, and in it the one that was written, so that `?`, `return`
//! and `impl Trait` mean in that what they did.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::{Attribute, Error, FnArg, GenericParam, ReturnType, Signature, Type, parse_quote, spanned::Spanned};

use crate::handler::{Handler, Item};

/// Attributes that are about the function as its callers see it, and those that hold for all that stands in it.
const OF_THE_OUTSIDE: [&str; 9] = ["allow", "cfg", "deny", "deprecated", "doc", "expect", "forbid", "must_use", "warn"];

pub(crate) struct Nested {
    /// The attributes and the visibility of the outer function.
    pub(crate) attributes: TokenStream,
    /// The outer function's signature: as written, but neither `async` nor `const`, with parameters that are plain names.
    pub(crate) outer: Signature,
    /// The inner function.
    pub(crate) definition: TokenStream,
    /// A call of it with the outer function's parameters.
    pub(crate) call: TokenStream,
    /// What it is, and returns.
    pub(crate) is_async: bool,
    pub(crate) output: Type,
}

impl Nested {
    /// `span` is that of all that is ours.
    pub(crate) fn of(item: &Item, handler: Handler, span: Span) -> syn::Result<Nested> {
        let Handler { vis, signature: inner, body } = handler;
        let output: Type = match &inner.output {
            ReturnType::Default => parse_quote!(()),
            ReturnType::Type(_, output) => (**output).clone(),
        };
        let mut outer = inner.clone();
        (outer.asyncness, outer.constness) = (None, None);
        let parameters = rename_parameters(&mut outer, span)?;

        let name = &inner.ident;
        let chosen = inner.generics.params.iter().filter_map(|parameter| match parameter {
            GenericParam::Type(of) => Some(of.ident.to_token_stream()),
            GenericParam::Const(of) => Some(of.ident.to_token_stream()),
            GenericParam::Lifetime(_) => None,
        });
        let chosen: Vec<_> = chosen.collect();
        let chosen = (!chosen.is_empty()).then(|| quote!(::<#(#chosen),*>));

        let is_of_the_outside = |attr: &&Attribute| OF_THE_OUTSIDE.iter().any(|name| attr.path().is_ident(name));
        let (outside, inside): (Vec<_>, Vec<_>) = item.attrs.iter().partition(is_of_the_outside);
        Ok(Nested {
            attributes: quote_spanned!(span=> #(#outside)* #vis),
            definition: quote_spanned!(span=> #(#inside)* #inner #body),
            call: quote_spanned!(span=> #name #chosen (#(#parameters),*)),
            is_async: inner.asyncness.is_some(),
            outer,
            output,
        })
    }
}

/// Plain names in the place of the patterns. The inner function is in scope where they are, and hides one that is called as
/// it is: none will be called so.
fn rename_parameters(signature: &mut Signature, span: Span) -> syn::Result<Vec<Ident>> {
    let mut names = Vec::new();
    for input in &mut signature.inputs {
        let FnArg::Typed(parameter) = input else { continue };
        if let Some(attr) = parameter.attrs.first() {
            return Err(Error::new(
                attr.path().span(),
                "`#[guard_metrics]` cannot hand on a parameter with an attribute: put it on the function",
            ));
        }
        let name = format_ident!("__metrics_guard_parameter_{}", names.len(), span = span);
        *parameter.pat = parse_quote!(#name);
        names.push(name);
    }
    Ok(names)
}
