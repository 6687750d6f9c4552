//! A handler as two functions: the one that the framework calls, and in it the one that was written, so that `?`, `return`
//! and `impl Trait` mean in that what they did.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::{
    Attribute, Error, FnArg, GenericArgument, GenericParam, Pat, PathArguments, PathSegment, ReturnType, Signature,
    Type, TypeParamBound, parse_quote, parse_quote_spanned, spanned::Spanned,
};

use crate::handler::{Handler, find_ident, last_is};

pub(crate) struct Nested {
    /// The outer function's signature: as written, but neither `async` nor `const`, with parameters that are plain names.
    pub(crate) outer: Signature,
    /// The inner function, and a call of it.
    pub(crate) definition: TokenStream,
    pub(crate) call: TokenStream,
    /// What goes before the block with both, where the user's names may be hidden.
    bindings: TokenStream,
    /// Whether it is `async`; whether its answer must be awaited, as that of a function that returns a future must; and what it
    /// answers then.
    pub(crate) is_async: bool,
    pub(crate) is_awaited: bool,
    pub(crate) output: Type,
    span: Span,
}

impl Nested {
    /// The inner function carries `inside`. `kept` says under which name the outer function knows the parameter of that index and
    /// name, if under any; the others are called as we like, so that the inner function hides none of them. `span` is that of all
    /// that is ours.
    pub(crate) fn of(
        inside: &[Attribute],
        handler: Handler,
        kept: impl Fn(usize, &Ident) -> Option<Ident>,
        span: Span,
    ) -> syn::Result<Nested> {
        let Handler { signature: inner, body, .. } = handler;
        let mut output: Type = match &inner.output {
            ReturnType::Default => parse_quote!(()),
            ReturnType::Type(_, output) => (**output).clone(),
        };
        let is_async = inner.asyncness.is_some();
        let of_future = if is_async { None } else { output_of_future(&output) };
        let is_future = of_future.is_some();
        if let Some(of_future) = of_future {
            output = of_future;
        }
        let mut outer = inner.clone();
        (outer.asyncness, outer.constness) = (None, None);
        let (parameters, bindings) = rename_parameters(&mut outer, kept, span)?;

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
            is_async,
            is_awaited: is_async || is_future,
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

/// What a future answers that is an `impl Future<Output = ..>`, a `Pin<Box<dyn Future<..>>>` or an alias of that. None if it is
/// nothing of these.
fn output_of_future(of: &Type) -> Option<Type> {
    match of {
        Type::Group(group) => output_of_future(&group.elem),
        Type::ImplTrait(of) => of.bounds.iter().find_map(|bound| match bound {
            TypeParamBound::Trait(of) if last_is(&of.path, "Future") => output_in(of.path.segments.last()?),
            _ => None,
        }),
        Type::Path(path) => {
            let is_future = || find_ident(path.to_token_stream(), "Future").is_some();
            let alias = |name| last_is(&path.path, name);
            let is_boxed = alias("BoxFuture") || alias("LocalBoxFuture") || (alias("Pin") && is_future());
            is_boxed.then(|| parse_quote_spanned!(of.span()=> <#of as ::core::future::Future>::Output))
        }
        _ => None,
    }
}

/// The `..` of `Future<Output = ..>`.
fn output_in(future: &PathSegment) -> Option<Type> {
    let PathArguments::AngleBracketed(arguments) = &future.arguments else { return None };
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::AssocType(of) if of.ident == "Output" => Some(of.ty.clone()),
        _ => None,
    })
}

/// What we call the parameter at `index`.
pub(crate) fn our_name(index: usize, span: Span) -> Ident {
    format_ident!("__metrics_guard_parameter_{index}", span = span)
}

/// Makes plain names of the parameters' patterns. Returns what the inner function gets, and what binds it.
fn rename_parameters(
    signature: &mut Signature,
    kept: impl Fn(usize, &Ident) -> Option<Ident>,
    span: Span,
) -> syn::Result<(Vec<Ident>, TokenStream)> {
    let (mut passed, mut bindings) = (Vec::new(), TokenStream::new());
    for input in &mut signature.inputs {
        let FnArg::Typed(parameter) = input else { continue };
        if let Some(attr) = parameter.attrs.first() {
            return Err(Error::new(
                attr.path().span(),
                "`#[guard_metrics]` cannot hand on a parameter with an attribute: put it on the function",
            ));
        }
        let ours = our_name(passed.len(), span);
        let name = match &*parameter.pat {
            Pat::Ident(users) if users.subpat.is_none() => kept(passed.len(), &users.ident),
            _ => None,
        };
        bindings.extend(name.as_ref().map(|name| quote_spanned!(span=> let #ours = #name;)));
        let name = name.as_ref().unwrap_or(&ours);
        *parameter.pat = parse_quote!(#name);
        passed.push(ours);
    }
    Ok((passed, bindings))
}
