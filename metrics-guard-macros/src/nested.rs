//! Wraps the body of a handler, so that its `?` and `return` leave only the body, and not the function that the framework
//! calls.
//!
//! The body runs in place or in an inner function. An inner function can carry third-party attributes and name an
//! `impl Trait`. In place is preferred, because clippy exempts exported functions from many lints, and an inner function is
//! not exported.

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote_spanned};
use syn::{
    Attribute, Error, FnArg, GenericArgument, GenericParam, Generics, Lifetime, Pat, Path, PathArguments, PathSegment,
    ReturnType, Signature, Type, TypeImplTrait, TypeParamBound, parse_quote, parse_quote_spanned, spanned::Spanned,
};

use crate::handler::{Handler, find_ident, last_is};

pub(crate) struct Nested {
    /// The signature of the outer function: as written, but without `async` and `const`. Its parameters are plain names.
    pub(crate) outer: Signature,
    /// The inner function, which can be empty, and an expression that runs the body.
    pub(crate) definition: TokenStream,
    pub(crate) call: TokenStream,
    /// The statements before both, which bind our names to the parameters that kept the user's names.
    bindings: TokenStream,
    /// Whether the function is `async`, whether its result must be awaited because it is a future, and the final type.
    pub(crate) is_async: bool,
    pub(crate) is_awaited: bool,
    pub(crate) output: Type,
    span: Span,
}

impl Nested {
    /// Wraps the body of `handler`. An inner function carries the attributes `inside`. Without attributes and with `krate`,
    /// whose items the expansion names, the body runs in place if possible.
    ///
    /// `kept` returns the name that the outer function keeps for a parameter of this index and name. The other parameters get
    /// our names, so that the name of the inner function hides none of them. All our tokens have `span`.
    pub(crate) fn of(
        inside: &[Attribute],
        handler: Handler,
        krate: Option<&Path>,
        kept: impl Fn(usize, &Ident) -> Option<Ident>,
        span: Span,
    ) -> syn::Result<Nested> {
        let Handler { signature: inner, body, .. } = handler;
        let whole: Type = match &inner.output {
            ReturnType::Default => parse_quote!(()),
            ReturnType::Type(_, output) => (**output).clone(),
        };
        let is_async = inner.asyncness.is_some();
        let of_future = if is_async { None } else { output_of_future(&whole) };
        let is_future = of_future.is_some();
        let is_unnamed = is_future && matches!(ungrouped(&whole), Type::ImplTrait(_));
        let output = of_future.unwrap_or_else(|| whole.clone());
        let mut outer = inner.clone();
        (outer.asyncness, outer.constness) = (None, None);
        let (parameters, bindings) = rename_parameters(&mut outer, kept, span)?;

        let in_place = krate.filter(|_| inside.is_empty()).and_then(|krate| {
            let bindings = inner.inputs.iter().zip(&parameters).filter_map(|(input, ours)| match input {
                FnArg::Typed(parameter) => Some(bind(&parameter.pat, &ours.to_token_stream(), ours, span)),
                FnArg::Receiver(_) => None,
            });
            let bindings = bindings.collect();
            let mut traits = Vec::new();
            let to = match ungrouped(&whole) {
                Type::ImplTrait(whole) if is_future => {
                    traits.extend(traits_of(whole));
                    &output
                }
                whole => whole,
            };
            let to = inferred(to, &mut traits)?;
            let call = in_place(krate, Runs { is_async, is_unnamed }, &to, &bindings, &braced(&body)?, span);
            // This names the traits that the signature no longer names, because their imports would be unused.
            let names =
                (!traits.is_empty()).then(|| quote_spanned!(span=> fn __metrics_guard_traits(#(_: impl #traits),*) {}));
            Some((names.unwrap_or_default(), call))
        });
        let (definition, call) = in_place.unwrap_or_else(|| {
            let name = &inner.ident;
            let chosen = chosen(&inner.generics);
            let call = quote_spanned!(span=> #name::<#(#chosen),*>(#(#parameters),*));
            let inner = respanned(inner.to_token_stream(), span);
            (quote_spanned!(span=> #(#inside)* #inner #body), call)
        });
        Ok(Nested { outer, definition, call, bindings, is_async, is_awaited: is_async || is_future, output, span })
    }

    /// Returns an expression that runs the body, and awaits it if it is `async`.
    pub(crate) fn block(&self) -> TokenStream {
        let Nested { definition, call, bindings, .. } = self;
        let run_to_end = self.is_async.then(|| quote_spanned!(self.span=> .await));
        quote_spanned!(self.span=> { #bindings { #definition #call #run_to_end } })
    }
}

/// Returns the names of the type and const parameters.
pub(crate) fn chosen(generics: &Generics) -> impl Iterator<Item = &Ident> {
    generics.params.iter().filter_map(|parameter| match parameter {
        GenericParam::Type(of) => Some(&of.ident),
        GenericParam::Const(of) => Some(&of.ident),
        GenericParam::Lifetime(_) => None,
    })
}

/// The kind of a body: `async`, or one that returns an `impl Future`.
#[derive(Clone, Copy)]
pub(crate) struct Runs {
    pub(crate) is_async: bool,
    pub(crate) is_unnamed: bool,
}

/// Returns an expression that runs `body` after `bindings`. It is a future if `runs.is_async`. Its type is `output`, or a
/// future with that output if `runs.is_unnamed`.
///
/// A `return` or a `?` in the body leaves only the body, because the outer function still adds `no-store` to the response.
/// A body that is not `async` runs in a closure. An `async` one runs in a block that begins with a `return` that never runs,
/// so that the compiler checks the body against the return type. Neither states that type, because clippy would apply the
/// lints for private functions to it.
pub(crate) fn in_place(
    krate: &Path,
    runs: Runs,
    output: &Type,
    bindings: &TokenStream,
    body: &Group,
    span: Span,
) -> TokenStream {
    // The body remains a block, with its attributes and its edition. The label prevents a warning about needless braces.
    let label = Lifetime::new("'_body", span);
    if runs.is_async {
        return quote_spanned! {span=>
            async move {
                #bindings
                if let ::core::option::Option::Some(answer) = <::core::option::Option<#output> as ::core::default::Default>::default() {
                    return answer;
                }
                #label: #body
            }
        };
    }
    let body =
        if bindings.is_empty() { body.to_token_stream() } else { quote_spanned!(span=> { #bindings #label: #body }) };
    if runs.is_unnamed {
        quote_spanned!(span=> #krate::expansion::run_future::<#output, _>(move || #body))
    } else {
        quote_spanned! {span=>
            <::core::option::Option<#output>>::unwrap_or_else(::core::default::Default::default(), move || #body)
        }
    }
}

/// Returns a statement that binds `value` to `pattern` as a parameter is bound: the value lives to the end of the body, even
/// if the pattern names no part of it.
///
/// A pattern that is not a plain name binds `ours` first. The value passes through a call, because clippy reports a binding
/// such as `_request` that has no effect.
pub(crate) fn bind(pattern: &Pat, value: &TokenStream, ours: &Ident, span: Span) -> TokenStream {
    let value = quote_spanned!(span=> ::core::convert::identity(#value));
    match pattern {
        Pat::Ident(name) if name.subpat.is_none() && name.by_ref.is_none() => {
            quote_spanned!(span=> let #pattern = #value;)
        }
        Pat::Wild(_) => quote_spanned!(span=> let #ours = #value;),
        _ => quote_spanned!(span=> let #ours = #value; let #pattern = #ours;),
    }
}

/// Returns `body` if it is a block.
fn braced(body: &TokenStream) -> Option<Group> {
    match body.clone().into_iter().next() {
        Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => Some(group),
        _ => None,
    }
}

/// Returns `of` with `_` for each `impl Trait`, and adds their traits to `traits`.
///
/// Returns `None` if the compiler could not infer the type, because a body may need the bound, such as
/// `impl Stream<Item = Result<A, E>>`.
fn inferred(of: &Type, traits: &mut Vec<Path>) -> Option<Type> {
    let mut of = ungrouped(of).clone();
    match &mut of {
        Type::ImplTrait(of) if !of.to_token_stream().to_string().contains(['<', '(']) => {
            traits.extend(traits_of(of));
            return Some(parse_quote!(_));
        }
        Type::Path(path) => {
            let arguments = path.path.segments.iter_mut().filter_map(|segment| match &mut segment.arguments {
                PathArguments::AngleBracketed(arguments) => Some(&mut arguments.args),
                _ => None,
            });
            for argument in arguments.flatten() {
                if let GenericArgument::Type(of) = argument {
                    *of = inferred(of, traits)?;
                }
            }
        }
        Type::Tuple(tuple) => {
            for of in &mut tuple.elems {
                *of = inferred(of, traits)?;
            }
        }
        _ => {}
    }
    find_ident(of.to_token_stream(), "impl").is_none().then_some(of)
}

/// Returns the traits of an `impl Trait`, without their arguments.
fn traits_of(of: &TypeImplTrait) -> impl Iterator<Item = Path> {
    of.bounds.iter().filter_map(|bound| match bound {
        TypeParamBound::Trait(bound) if bound.maybe.is_none() => {
            let mut path = bound.path.clone();
            for segment in &mut path.segments {
                segment.arguments = PathArguments::None;
            }
            Some(path)
        }
        _ => None,
    })
}

/// Returns `of` without the invisible groups around it.
fn ungrouped(mut of: &Type) -> &Type {
    while let Type::Group(group) = of {
        of = &group.elem;
    }
    of
}

/// Returns `tokens` with a new span of the first: it keeps its position, and its name resolves as `span` does.
pub(crate) fn respanned(tokens: TokenStream, span: Span) -> TokenStream {
    let mut tokens = tokens.into_iter();
    let first = tokens.next().map(|mut first| {
        first.set_span(span.located_at(first.span()));
        first
    });
    first.into_iter().chain(tokens).collect()
}

/// Returns the output of an `impl Future<Output = ..>`, a `Pin<Box<dyn Future<..>>>`, a known alias of that, or a `Ready`.
///
/// Returns `None` for other types.
fn output_of_future(of: &Type) -> Option<Type> {
    match ungrouped(of) {
        Type::ImplTrait(of) => of.bounds.iter().find_map(|bound| match bound {
            TypeParamBound::Trait(of) if last_is(&of.path, "Future") => output_in(of.path.segments.last()?),
            _ => None,
        }),
        Type::Path(path) => {
            let is_future = || find_ident(path.to_token_stream(), "Future").is_some();
            let alias = |name| last_is(&path.path, name);
            let is_boxed = alias("BoxFuture") || alias("LocalBoxFuture") || (alias("Pin") && is_future());
            // With arguments, because a user's type can have this name too.
            let is_ready = || alias("Ready") && path.path.segments.last().is_some_and(|last| !last.arguments.is_none());
            (is_boxed || is_ready()).then(|| parse_quote_spanned!(of.span()=> <#of as ::core::future::Future>::Output))
        }
        _ => None,
    }
}

/// Returns the `..` of `Future<Output = ..>`.
fn output_in(future: &PathSegment) -> Option<Type> {
    let PathArguments::AngleBracketed(arguments) = &future.arguments else { return None };
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::AssocType(of) if of.ident == "Output" => Some(of.ty.clone()),
        _ => None,
    })
}

/// Returns our name for the parameter at `index`.
pub(crate) fn our_name(index: usize, span: Span) -> Ident {
    format_ident!("__metrics_guard_parameter_{index}", span = span)
}

/// Replaces the patterns of the parameters by plain names. Returns the arguments of the inner function, and the statements
/// that bind them.
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
                "`#[guard_metrics]` cannot pass on a parameter with an attribute; move the attribute to the function, \
                 such as `#[allow(unused_variables)] fn metrics(..)`",
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
