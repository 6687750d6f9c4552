//! Expands functions of custom servers: the check of the request runs before the body.

use std::{iter, mem};

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote_spanned};
use syn::{
    AttrStyle, Attribute, Error, FnArg, Pat, PatType, ReturnType, Signature, Token, Type, braced,
    parse::{ParseStream, Parser},
    parse_quote,
    spanned::Spanned,
};

use crate::{
    args::Args,
    attributes::{Sorted, is_foreign, shown},
    framework::Framework,
    handler::{Handler, Item, find_ident, last_is},
    nested::{Nested, Runs, bind, in_place},
};

pub(crate) const FRAMEWORK: Framework = Framework {
    krate: "metrics_guard_core",
    arguments: &["crate", "guard", "request", "denied"],
    expected: "`guard = expression`, `request = name`, `denied = path` or `crate = path`",
    source: "this argument",
    routes: &[],
    guarded,
    fails_too: |_, _, attr| is_foreign(attr),
};

fn guarded(args: &Args, item: &Item) -> syn::Result<TokenStream> {
    let Handler { vis, signature, body } = item
        .handler("a function that takes a request, such as `fn metrics(request: Request<()>) -> Response<String>`")?;
    let Some(guard) = &args.guard else {
        return Err(Error::new(
            Span::call_site(),
            "`#[guard_metrics]` has no guard; write an expression of type `Guard`, such as \
             `#[guard_metrics(guard = GUARD)]` or `#[guard_metrics(guard = self.guard)]`",
        ));
    };
    if let Some(constness) = signature.constness {
        return Err(Error::new(
            constness.span(),
            "`#[guard_metrics]` cannot guard a `const fn`, because a check is not constant; remove `const`",
        ));
    }
    let request = request(&signature, args)?;
    let output = output(&signature)?.clone();
    let (inner, body) = parse_body.parse2(body)?;
    let krate = FRAMEWORK.path(args, Span::call_site());
    // An inner attribute applies to the function like an outer one.
    let attrs: Vec<_> = item.attrs.iter().cloned().chain(inner).collect();
    let sorted = Sorted::of(&attrs, &FRAMEWORK, args)?;

    // Mixed-site hygiene separates our names from the user's.
    let span = Span::mixed_site().located_at(Span::call_site());
    let mut outer = signature.clone();
    let is_in_guard = |name: &Ident| find_ident(guard.to_token_stream(), &name.to_string()).is_some();
    // The parameter gets our name, because clippy would report the use of `_request`.
    let is_hidden = request.to_string().starts_with('_') && !is_in_guard(&request);
    let checked = if is_hidden { Ident::new("__metrics_guard_request", span) } else { request.clone() };
    let run = match sorted.foreign() {
        None => {
            let binding = if is_hidden { rename(&mut outer, &request, &checked, span) } else { None };
            let is_async = signature.asyncness.is_some();
            let runs = Runs { is_async, is_unnamed: false };
            let body = in_place(&krate, runs, &output, &binding.unwrap_or_default(), &body, span);
            let run_to_end = is_async.then(|| quote_spanned!(span=> .await));
            quote_spanned!(span=> #body #run_to_end)
        }
        Some(foreign) => {
            if uses_self(&signature, &body) {
                return Err(in_a_method(foreign));
            }
            let kept = |_, name: &Ident| {
                let known = if *name == request { Some(&checked) } else { Some(name).filter(|name| is_in_guard(name)) };
                known.cloned()
            };
            // The inner function uses these parameters too, because the compiler would report them as unused. A name with an
            // underscore needs no use.
            let is_named = |name: &Ident| *name == request || is_in_guard(name);
            let used = names(&signature).filter(|name| is_named(name) && !name.to_string().starts_with('_'));
            let used = quote_spanned!(span=> #(let _ = &#used;)*);
            let mut with_uses = Group::new(Delimiter::Brace, [used, body.stream()].into_iter().collect());
            with_uses.set_span(body.span());
            let handler =
                Handler { vis: vis.clone(), signature: signature.clone(), body: with_uses.into_token_stream() };
            let nested = Nested::of(&sorted.inside, handler, None, kept, span)?;
            outer.inputs.clone_from(&nested.outer.inputs);
            nested.block()
        }
    };
    // On a statement, an attribute of a tool has no effect, and a macro under the tool's name is an error.
    let tools = sorted.inside.iter().filter(|_| sorted.foreign().is_none());
    let outside = &sorted.outside;
    let stars = vec![quote_spanned!(span=> *); references(&outer, &checked)];
    let answer = match &args.denied {
        Some(denied) => quote_spanned! {span=>
            match verdict {
                ::core::result::Result::Ok(authorized) => #run,
                ::core::result::Result::Err(denied) => #denied(denied),
            }
        },
        None => {
            // This has the position of the return type, because an error here concerns that type.
            let located = span.located_at(output.span());
            let answer = quote_spanned!(located=> <#output as #krate::Answer>::guarded);
            quote_spanned! {span=>
                #answer(match verdict {
                    ::core::result::Result::Ok(authorized) => ::core::result::Result::Ok((#run, authorized)),
                    ::core::result::Result::Err(denied) => ::core::result::Result::Err(denied),
                })
            }
        }
    };
    Ok(quote_spanned! {span=>
        #(#outside)*
        #vis #outer {
            // A separate statement ends the borrow of the guard before the body runs. The `match` accepts a `&Guard` as well
            // as a `Guard`, because it gives the expression no expected type.
            #(#tools)*
            let verdict = match (#guard) {
                ref guard => #krate::Guard::check(guard, &#(#stars)* #checked),
            };
            #answer
        }
    })
}

/// Renames the parameter `from` to `to`, and returns the statement that binds the user's pattern to it.
fn rename(signature: &mut Signature, from: &Ident, to: &Ident, span: Span) -> Option<TokenStream> {
    signature.inputs.iter_mut().find_map(|input| match input {
        FnArg::Typed(PatType { pat, .. }) if matches!(&**pat, Pat::Ident(name) if name.ident == *from) => {
            let users = mem::replace(&mut **pat, parse_quote!(#to));
            Some(bind(&users, &to.to_token_stream(), to, span))
        }
        _ => None,
    })
}

/// Returns the names of the parameters that are plain names.
fn names(signature: &Signature) -> impl Iterator<Item = &Ident> {
    signature.inputs.iter().filter_map(|input| match input {
        FnArg::Typed(PatType { pat, .. }) => match &**pat {
            Pat::Ident(name) if name.subpat.is_none() => Some(&name.ident),
            _ => None,
        },
        FnArg::Receiver(_) => None,
    })
}

fn in_a_method(foreign: &Attribute) -> Error {
    Error::new_spanned(
        foreign.path(),
        format!(
            "`#[{}]` cannot apply to the guarded body alone, because this function uses `self` or `Self`; put a cache on \
             a function that this one calls, and any other attribute above `#[guard_metrics]`",
            shown(foreign.path()),
        ),
    )
}

/// Returns whether the body cannot move to an inner function, because it uses `self` or `Self`.
fn uses_self(signature: &Signature, body: &Group) -> bool {
    signature.receiver().is_some() || names_self(signature.to_token_stream()) || names_self(body.stream())
}

/// Returns whether `tokens` have a `Self`, except in items among them.
fn names_self(tokens: TokenStream) -> bool {
    let mut in_item = false;
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(name)
            if ["enum", "impl", "struct", "trait", "union"].iter().any(|keyword| name == keyword) =>
        {
            in_item = true;
            false
        }
        TokenTree::Ident(name) => name == "Self" && !in_item,
        TokenTree::Group(group) if in_item => {
            in_item = group.delimiter() != Delimiter::Brace;
            false
        }
        TokenTree::Group(group) => names_self(group.stream()),
        TokenTree::Punct(punct) => {
            in_item &= punct.as_char() != ';';
            false
        }
        TokenTree::Literal(_) => false,
    })
}

/// Returns the inner attributes of a body as outer ones, and the body without them.
fn parse_body(input: ParseStream<'_>) -> syn::Result<(Vec<Attribute>, Group)> {
    if input.peek(Token![;]) {
        return Err(
            input.error("this function has no body to guard; put `#[guard_metrics]` on the method in the `impl`")
        );
    }
    let content;
    let braces = braced!(content in input);
    let mut attrs = content.call(Attribute::parse_inner)?;
    for attr in &mut attrs {
        attr.style = AttrStyle::Outer;
    }
    let mut body = Group::new(Delimiter::Brace, content.parse()?);
    body.set_span(braces.span.join());
    Ok((attrs, body))
}

/// Returns the name of the parameter that is the request.
fn request(signature: &Signature, args: &Args) -> syn::Result<Ident> {
    if let Some(name) = &args.request {
        return Ok(name.clone());
    }
    let typed = signature.inputs.iter().filter_map(|input| match input {
        FnArg::Typed(parameter) => Some(parameter),
        FnArg::Receiver(_) => None,
    });
    let mut requests = typed.filter(|parameter| is_request(&parameter.ty));
    let first = requests.next();
    if let Some(second) = requests.next() {
        return Err(Error::new(
            second.span(),
            "two parameters are requests; name the one to check, as in `#[guard_metrics(guard = .., request = name)]`",
        ));
    }
    let Some(PatType { pat, .. }) = first else {
        return Err(Error::new(
            signature.paren_token.span.join(),
            "no parameter is a request; add one of type `Request<..>`, `&Request<..>` or `Parts`. If its type has another \
             name, name the parameter, as in `#[guard_metrics(guard = .., request = name)]`",
        ));
    };
    match &**pat {
        Pat::Ident(name) if name.subpat.is_none() => Ok(name.ident.clone()),
        other => Err(Error::new(
            other.span(),
            "`#[guard_metrics]` needs a plain name for the request; name this parameter, such as `request`, and destructure \
             it in the body",
        )),
    }
}

fn is_request(of: &Type) -> bool {
    match of {
        Type::Reference(reference) => is_request(&reference.elem),
        Type::Group(group) => is_request(&group.elem),
        Type::Path(path) => last_is(&path.path, "Request") || last_is(&path.path, "Parts"),
        _ => false,
    }
}

/// Returns how many references are around the request in the parameter `name`.
fn references(signature: &Signature, name: &Ident) -> usize {
    let parameter = signature.inputs.iter().find_map(|input| match input {
        FnArg::Typed(PatType { pat, ty, .. }) => match &**pat {
            Pat::Ident(pattern) if pattern.ident == *name => Some((pattern.by_ref.is_some(), &**ty)),
            _ => None,
        },
        FnArg::Receiver(_) => None,
    });
    let (is_by_ref, ty) = parameter.unzip();
    let types = iter::successors(ty, |ty| match ty {
        Type::Reference(reference) => Some(&*reference.elem),
        Type::Group(group) => Some(&*group.elem),
        Type::Paren(paren) => Some(&*paren.elem),
        _ => None,
    });
    types.filter(|ty| matches!(ty, Type::Reference(_))).count() + usize::from(is_by_ref.unwrap_or_default())
}

fn output(signature: &Signature) -> syn::Result<&Type> {
    let ReturnType::Type(_, output) = &signature.output else {
        return Err(Error::new(
            signature.ident.span(),
            "this function returns no response, so `#[guard_metrics]` cannot reject a request; return one, such as \
             `Response<String>`",
        ));
    };
    match find_ident(output.to_token_stream(), "impl") {
        Some(span) => Err(Error::new(
            span,
            "`#[guard_metrics]` cannot build a rejection of type `impl Trait`; name the type, such as \
             `Response<Full<Bytes>>` or `Result<Response<B>, E>`",
        )),
        None => Ok(output),
    }
}
