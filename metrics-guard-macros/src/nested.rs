//! A handler as two functions: the one that the framework calls, and in it the one that was written, so that `?`, `return`
//! and `impl Trait` mean in that what they did.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::{Attribute, Error, FnArg, GenericParam, Pat, ReturnType, Signature, Type, parse_quote, spanned::Spanned};

use crate::handler::Handler;

/// What the outer function calls its parameters.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Names {
    /// As we like, so that none is called as the inner function, which would hide it.
    Ours,
    /// As the user did, if it is a name and not a pattern: the framework or the guard's expression knows them by it.
    Users,
}

pub(crate) struct Nested {
    /// The outer function's signature: as written, but neither `async` nor `const`, with parameters that are plain names.
    pub(crate) outer: Signature,
    /// The inner function, and a call of it.
    pub(crate) definition: TokenStream,
    pub(crate) call: TokenStream,
    /// What goes before the block with both, where the user's names may be hidden.
    bindings: Option<TokenStream>,
    /// What it is, and returns.
    pub(crate) is_async: bool,
    pub(crate) output: Type,
    span: Span,
}

impl Nested {
    /// The inner function carries `inside`. `span` is that of all that is ours.
    pub(crate) fn of(inside: &[Attribute], handler: Handler, names: Names, span: Span) -> syn::Result<Nested> {
        let Handler { signature: inner, body, .. } = handler;
        let output: Type = match &inner.output {
            ReturnType::Default => parse_quote!(()),
            ReturnType::Type(_, output) => (**output).clone(),
        };
        let mut outer = inner.clone();
        (outer.asyncness, outer.constness) = (None, None);
        let (parameters, bindings) = rename_parameters(&mut outer, names, span)?;

        let name = &inner.ident;
        let chosen = inner.generics.params.iter().filter_map(|parameter| match parameter {
            GenericParam::Type(of) => Some(of.ident.to_token_stream()),
            GenericParam::Const(of) => Some(of.ident.to_token_stream()),
            GenericParam::Lifetime(_) => None,
        });
        let chosen: Vec<_> = chosen.collect();
        let chosen = (!chosen.is_empty()).then(|| quote!(::<#(#chosen),*>));

        Ok(Nested {
            definition: quote_spanned!(span=> #(#inside)* #inner #body),
            call: quote_spanned!(span=> #name #chosen (#(#parameters),*)),
            bindings,
            is_async: inner.asyncness.is_some(),
            outer,
            output,
            span,
        })
    }

    /// An expression that defines the inner function, calls it and awaits it.
    pub(crate) fn block(&self) -> TokenStream {
        let Nested { definition, call, bindings, .. } = self;
        let run_to_end = self.is_async.then(|| quote_spanned!(self.span=> .await));
        quote_spanned!(self.span=> { #bindings { #definition #call #run_to_end } })
    }
}

/// Makes plain names of the parameters' patterns. Returns what the inner function gets, and what binds it.
fn rename_parameters(
    signature: &mut Signature,
    names: Names,
    span: Span,
) -> syn::Result<(Vec<Ident>, Option<TokenStream>)> {
    let (mut passed, mut kept) = (Vec::new(), Vec::new());
    for input in &mut signature.inputs {
        let FnArg::Typed(parameter) = input else { continue };
        if let Some(attr) = parameter.attrs.first() {
            return Err(Error::new(
                attr.path().span(),
                "`#[guard_metrics]` cannot hand on a parameter with an attribute: put it on the function",
            ));
        }
        let ours = format_ident!("__metrics_guard_parameter_{}", passed.len(), span = span);
        let name = match &*parameter.pat {
            Pat::Ident(users) if names == Names::Users && users.subpat.is_none() => users.ident.clone(),
            _ => ours.clone(),
        };
        *parameter.pat = parse_quote!(#name);
        kept.push(name);
        passed.push(ours);
    }
    let bindings = (names == Names::Users).then(|| quote_spanned!(span=> let (#(#passed,)*) = (#(#kept,)*);));
    Ok((passed, bindings))
}
