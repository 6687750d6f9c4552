//! The guarded handler, or the error and the handler as it was.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::{Path, parse_quote, parse_quote_spanned};

use crate::{
    args::Args,
    handler::{Handler, PROOF, is_guard},
};

/// `clippy::too_many_arguments` allows so many.
const CLIPPY_MAX_PARAMETERS: usize = 7;

/// The expansion for Rocket.
pub(crate) fn rocket(args: TokenStream, item: TokenStream) -> TokenStream {
    let mut handler: Handler = match syn::parse2(item.clone()) {
        Ok(handler) => handler,
        Err(error) => return with_error(&error, item),
    };
    let args = syn::parse2(args).and_then(|args| handler.validate(&args).map(|()| args));
    match args {
        Ok(Args { adapter, .. }) => {
            let adapter = adapter.unwrap_or_else(|| parse_quote!(::metrics_guard_rocket));
            add_proof(&mut handler, &adapter);
            handler.into_token_stream()
        }
        Err(error) => {
            handler.attrs.retain(|attr| !is_guard(attr));
            with_error(&error, handler)
        }
    }
}

/// The item is kept, so that one mistake gives one error, and not one more for each use of the missing item.
fn with_error(error: &syn::Error, item: impl ToTokens) -> TokenStream {
    let error = error.to_compile_error();
    quote!(#error #item)
}

/// Makes the proof the first parameter: Rocket runs request guards in the order of the parameters.
fn add_proof(handler: &mut Handler, adapter: &Path) {
    if handler.signature.inputs.len() == CLIPPY_MAX_PARAMETERS {
        // The user wrote no more than clippy allows, and is not to hear of one more.
        handler.attrs.insert(0, parse_quote!(#[allow(clippy::too_many_arguments)]));
    }
    // Mixed-site: code in the body can neither name the proof nor be shadowed by it.
    let span = Span::mixed_site().located_at(Span::call_site());
    let name = Ident::new(PROOF, span);
    let proof_type = quote_spanned!(span=> #adapter::Authorized);
    handler.signature.inputs.insert(0, parse_quote_spanned!(span=> #name: #proof_type));
}
