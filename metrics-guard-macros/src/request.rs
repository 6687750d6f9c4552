//! Servers of one's own: a function that takes a request, checked before its body runs.

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote_spanned;
use syn::{Error, FnArg, Pat, PatType, ReturnType, Signature, Type, parse_quote, spanned::Spanned};

use crate::{
    args::Args,
    expand::guarded_or_error,
    handler::{Handler, Item, last_is},
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
    let krate = args.krate.clone().unwrap_or_else(|| parse_quote!(::metrics_guard_core));
    let attrs = &item.attrs;

    // Mixed-site: the body can neither see our names nor be seen by them.
    let span = Span::mixed_site().located_at(Span::call_site());
    let run = if signature.asyncness.is_some() {
        quote_spanned!(span=> (async move || -> #output #body)().await)
    } else {
        quote_spanned!(span=> (move || -> #output #body)())
    };
    // A closure, so that a `return` or a `?` in the body leaves the body and not the function: the answer is not ready
    // until it is kept from caches.
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
        #[allow(clippy::redundant_closure_call, clippy::redundant_async_block)]
        #vis #signature {
            match #krate::Guard::check(&#guard, &#request) {
                ::core::result::Result::Ok(authorized) => #answer,
                ::core::result::Result::Err(denied) => #refusal,
            }
        }
    })
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
    let Some(PatType { pat, .. }) = requests.next() else {
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
    match &**output {
        Type::ImplTrait(_) => Err(Error::new(
            output.span(),
            "`#[guard_metrics]` cannot make an `impl Trait`: name the type, such as `Response<Full<Bytes>>`, or \
             `Result<Response<B>, E>`",
        )),
        named => Ok(named),
    }
}
