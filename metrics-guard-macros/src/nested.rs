//! The body of a handler, run where `?` and `return` leave it and not the function that the framework calls: in place, or in an
//! inner function, which can carry the attributes of others and name an `impl Trait`.
//!
//! In place where it can be: clippy exempts what is exported from many lints, and an inner function is not.

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::{
    Attribute, Error, FnArg, GenericArgument, GenericParam, Lifetime, Pat, Path, PathArguments, PathSegment,
    ReturnType, Signature, Type, TypeImplTrait, TypeParamBound, parse_quote, parse_quote_spanned, spanned::Spanned,
};

use crate::handler::{Handler, find_ident, last_is};

pub(crate) struct Nested {
    /// The outer function's signature: as written, but neither `async` nor `const`, with parameters that are plain names.
    pub(crate) outer: Signature,
    /// The inner function if there is one, and an expression that runs the body.
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
    /// The inner function carries `inside`; without these and with `krate`, which has the items that it needs, the body runs in
    /// place where it can. `kept` says under which name the outer function knows the parameter of that index and name, if under
    /// any; the others are called as we like, so that the inner function hides none of them. `span` is that of all that is
    /// ours.
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
            // Where the traits are named that the handler's signature no longer does: their imports are not unused.
            let names =
                (!traits.is_empty()).then(|| quote_spanned!(span=> fn __metrics_guard_traits(#(_: impl #traits),*) {}));
            Some((names.unwrap_or_default(), call))
        });
        let (definition, call) = in_place.unwrap_or_else(|| {
            let name = &inner.ident;
            let chosen = inner.generics.params.iter().filter_map(|parameter| match parameter {
                GenericParam::Type(of) => Some(of.ident.to_token_stream()),
                GenericParam::Const(of) => Some(of.ident.to_token_stream()),
                GenericParam::Lifetime(_) => None,
            });
            let chosen: Vec<_> = chosen.collect();
            let chosen = (!chosen.is_empty()).then(|| quote!(::<#(#chosen),*>));
            let call = quote_spanned!(span=> #name #chosen (#(#parameters),*));
            let inner = respanned(inner.to_token_stream(), span);
            (quote_spanned!(span=> #(#inside)* #inner #body), call)
        });
        Ok(Nested { outer, definition, call, bindings, is_async, is_awaited: is_async || is_future, output, span })
    }

    /// An expression that runs the body and awaits it.
    pub(crate) fn block(&self) -> TokenStream {
        let Nested { definition, call, bindings, .. } = self;
        let run_to_end = self.is_async.then(|| quote_spanned!(self.span=> .await));
        quote_spanned!(self.span=> { #bindings { #definition #call #run_to_end } })
    }
}

/// What kind of body: an `async` one, or one that returns an `impl Future`.
#[derive(Clone, Copy)]
pub(crate) struct Runs {
    pub(crate) is_async: bool,
    pub(crate) is_unnamed: bool,
}

/// An expression that runs `body` after `bindings`: a future if `runs.is_async`. `output` is its type, or of an `impl Future`
/// what that answers.
///
/// A `return` or a `?` in the body leaves the body and not the function, whose answer is not ready until it is kept from
/// caches. A closure, and a block that seems to return such an answer first, so that the body is checked against the return
/// type as it would be in a function. Neither states the type, since clippy would judge it as that of a private function.
pub(crate) fn in_place(
    krate: &Path,
    runs: Runs,
    output: &Type,
    bindings: &TokenStream,
    body: &Group,
    span: Span,
) -> TokenStream {
    // The body remains a block, with its attributes and its edition. Under a label, which makes the braces none too many.
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

/// Binds `value` as the parameter `pattern` would: to the end of the body, also where the pattern names nothing of it. Under
/// `ours` first, if it is no plain name. By a call, since clippy says something of a binding such as `_request` that does
/// nothing.
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

/// `body`, if it is a block.
fn braced(body: &TokenStream) -> Option<Group> {
    match body.clone().into_iter().next() {
        Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => Some(group),
        _ => None,
    }
}

/// `of`, in which the compiler infers each `impl Trait`, and these in `traits`. None if it could not: a body may need what a
/// bound such as `impl Stream<Item = Result<A, E>>` says.
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

/// The traits of an `impl Trait`, without their arguments.
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

/// `of`, without the invisible groups around it.
fn ungrouped(mut of: &Type) -> &Type {
    while let Type::Group(group) = of {
        of = &group.elem;
    }
    of
}

/// `tokens`, the first of which is where it was, and resolved as `span` is.
pub(crate) fn respanned(tokens: TokenStream, span: Span) -> TokenStream {
    let mut tokens = tokens.into_iter();
    let first = tokens.next().map(|mut first| {
        first.set_span(span.located_at(first.span()));
        first
    });
    first.into_iter().chain(tokens).collect()
}

/// What a future answers that is an `impl Future<Output = ..>`, a `Pin<Box<dyn Future<..>>>`, an alias of that or a `Ready`.
/// None if it is nothing of these.
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
            // Not a type of the user's that is called so.
            let is_ready = || alias("Ready") && path.path.segments.last().is_some_and(|last| !last.arguments.is_none());
            (is_boxed || is_ready()).then(|| parse_quote_spanned!(of.span()=> <#of as ::core::future::Future>::Output))
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
                "`#[guard_metrics]` cannot pass on a parameter with an attribute; move it to the function, such as \
                 `#[allow(unused_variables)] fn metrics(..)`",
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
