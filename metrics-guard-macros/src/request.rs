//! Servers of one's own: a function that takes a request, checked before its body runs.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::{
    AttrStyle, Attribute, Error, FnArg, Pat, PatType, Path, ReturnType, Signature, Token, Type, braced,
    parse::{ParseStream, Parser},
    parse_quote,
    spanned::Spanned,
};

use crate::{
    args::Args,
    expand::guarded_or_error,
    handler::{Handler, Item, find_ident, last_is},
};

const EXPECTED: &str = "`guard = expression`, `request = name`, `denied = path` or `crate = path`";

pub(crate) fn expand(args: TokenStream, item: TokenStream) -> TokenStream {
    let args = Args::parse(args, &["crate", "guard", "request", "denied"], EXPECTED);
    guarded_or_error(args, item, guarded, |_, _, _| false)
}

fn guarded(args: &Args, item: &Item) -> syn::Result<TokenStream> {
    let Handler { vis, signature, body } = item.handler("a function that takes a request")?;
    let Some(guard) = &args.guard else {
        return Err(Error::new(
            Span::call_site(),
            "`#[guard_metrics]` needs to know the guard: say `#[guard_metrics(guard = GUARD)]`, with an expression of type \
             `Guard`, such as a static or `self.guard`",
        ));
    };
    if let Some(constness) = signature.constness {
        return Err(Error::new(
            constness.span(),
            "`#[guard_metrics]` cannot guard a `const fn`: a check is not constant",
        ));
    }
    let request = request(&signature, args)?;
    let output = output(&signature)?;
    let (inner, body) = parse_body.parse2(body)?;
    let krate = args.krate.clone().unwrap_or_else(|| parse_quote!(::metrics_guard_core));
    let attrs = &item.attrs;

    // Mixed-site: the body can neither see our names nor be seen by them.
    let span = Span::mixed_site().located_at(Span::call_site());
    let run = run(&krate, &signature, output, &body, span);
    let (refusal, answer) = match &args.denied {
        Some(denied) => (quote_spanned!(span=> #denied(denied)), run),
        None => {
            // Located at the return type, which is what an error here is about.
            let span = span.located_at(output.span());
            (
                quote_spanned!(span=> <#output as #krate::Answer>::refusal(denied)),
                quote_spanned!(span=> <#output as #krate::Answer>::unstored(#run, &authorized)),
            )
        }
    };
    Ok(quote_spanned! {span=>
        #(#attrs)*
        #(#inner)*
        #vis #signature {
            // By itself, so that what the guard was borrowed from is given back before the body runs.
            let verdict = #krate::Guard::check(&#guard, &#request);
            match verdict {
                ::core::result::Result::Ok(authorized) => #answer,
                ::core::result::Result::Err(denied) => #refusal,
            }
        }
    })
}

/// What runs `body`, and gives its answer.
///
/// A `return` or a `?` in the body leaves the body and not the function, whose answer is not ready until it is kept from
/// caches. A closure, and a block that never returns what it says first, so that the body is checked against the return
/// type as it would be in a function.
fn run(krate: &Path, signature: &Signature, output: &Type, body: &TokenStream, span: Span) -> TokenStream {
    if signature.asyncness.is_some() {
        quote_spanned! {span=>
            async move {
                #[allow(unreachable_code, clippy::diverging_sub_expression, clippy::empty_loop, clippy::let_unit_value)]
                if false {
                    let never: #output = loop {};
                    return never;
                }
                #body
            }
            .await
        }
    } else {
        quote_spanned!(span=> #krate::expansion::run(move || -> #output { #body }))
    }
}

/// The inner attributes of a body, made outer ones, and the rest.
fn parse_body(input: ParseStream<'_>) -> syn::Result<(Vec<Attribute>, TokenStream)> {
    if input.peek(Token![;]) {
        return Err(
            input.error("`#[guard_metrics]` guards a body, and this function has none: put it where the body is")
        );
    }
    let content;
    braced!(content in input);
    let mut attrs = content.call(Attribute::parse_inner)?;
    for attr in &mut attrs {
        attr.style = AttrStyle::Outer;
    }
    Ok((attrs, content.parse()?))
}

/// The name of the parameter that is the request.
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
            "`#[guard_metrics]` sees two requests here: say which one is to be checked, `request = name`",
        ));
    }
    let Some(PatType { pat, .. }) = first else {
        return Err(Error::new(
            signature.paren_token.span.join(),
            "`#[guard_metrics]` sees no request here: a parameter of type `Request<..>`, `&Request<..>` or `Parts` is \
             needed. If the type has another name, say `request = name` with the parameter's name",
        ));
    };
    match &**pat {
        Pat::Ident(name) if name.subpat.is_none() => Ok(name.ident.clone()),
        other => Err(Error::new(
            other.span(),
            "`#[guard_metrics]` must be able to name the request: give this parameter a plain name, and take it apart in \
             the body",
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

fn output(signature: &Signature) -> syn::Result<&Type> {
    let ReturnType::Type(_, output) = &signature.output else {
        return Err(Error::new(
            signature.ident.span(),
            "`#[guard_metrics]` has nothing to refuse with: the function must return a response",
        ));
    };
    match find_ident(output.to_token_stream(), "impl") {
        Some(span) => Err(Error::new(
            span,
            "`#[guard_metrics]` cannot make an `impl Trait`: name the type, such as `Response<Full<Bytes>>`, or \
             `Result<Response<B>, E>`",
        )),
        None => Ok(output),
    }
}
