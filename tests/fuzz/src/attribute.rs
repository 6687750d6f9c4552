//! Any Rust, half of it broken: of each `#[guard_metrics(..)]` in it, the expansions for all frameworks make a guarded
//! function or an error, and what they write can be read.

#![no_main]

#[path = "../../../metrics-guard-macros/src/args.rs"]
mod args;
#[path = "../../../metrics-guard-macros/src/attributes.rs"]
mod attributes;
#[path = "../../../metrics-guard-macros/src/framework.rs"]
mod framework;
#[path = "../../../metrics-guard-macros/src/frameworks/mod.rs"]
mod frameworks;
#[path = "../../../metrics-guard-macros/src/handler.rs"]
mod handler;
#[path = "../../../metrics-guard-macros/src/nested.rs"]
mod nested;

use libfuzzer_sys::{Corpus, fuzz_target};
use proc_macro2::{Delimiter, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{File, FnArg, Item, ItemFn, ReturnType, Type};

/// Whether a function shows that it went through the expansion for the framework of this crate.
fn is_guarded(krate: &str, of: &ItemFn) -> bool {
    match krate {
        "metrics_guard_core" => of.block.stmts.first().is_some_and(|first| has(first, "check")),
        "metrics_guard_rocket" => asks_for_the_proof(of) || joins_the_proof(of),
        "metrics_guard_tower" => asks_for_the_proof(of) && of.sig.asyncness.is_some() && ends_in(of, "unstored"),
        "metrics_guard_warp" => has(&of.sig.output, "Locked"),
        _ => asks_for_the_proof(of), // another expansion than this one needs an arm of its own
    }
}

/// Before all else, since that is the order in which the frameworks look at parameters.
fn asks_for_the_proof(of: &ItemFn) -> bool {
    matches!(of.sig.inputs.first(), Some(FnArg::Typed(first)) if has(&first.ty, "Authorized"))
}

/// A Rocket handler with seven parameters has the proof in its first request guard. Rocket looks at the route's own parameters
/// after all request guards.
fn joins_the_proof(of: &ItemFn) -> bool {
    let joins =
        |input: &FnArg| matches!(input, FnArg::Typed(typed) if has(&typed.ty, "Both") && has(&typed.ty, "Authorized"));
    of.sig.inputs.len() == framework::CLIPPY_MAX_PARAMETERS && of.sig.inputs.iter().any(joins)
}

fn ends_in(of: &ItemFn, name: &str) -> bool {
    of.block.stmts.last().is_some_and(|last| has(last, name))
}

fuzz_target!(|text: &str| -> Corpus {
    let Ok(tokens) = text.parse::<TokenStream>() else { return Corpus::Reject };
    let mut uses = Vec::new();
    find_uses(tokens, &mut uses);
    for (args, item) in &uses {
        let is_item = syn::parse2(item.clone()).is_ok_and(|item| is_readable(&item));
        for framework in frameworks::ALL {
            let output = framework.expand(args.clone(), item.clone());
            if is_item {
                let file: File = syn::parse2(output.clone()).unwrap();
                let is_in_order = match file.items.as_slice() {
                    [Item::Macro(error), ..] => handler::last_is(&error.mac.path, "compile_error"),
                    [Item::Fn(function)] => is_guarded(framework.krate, function),
                    _ => false,
                };
                assert!(is_in_order, "{output}");
            }
        }
    }
    if uses.is_empty() { Corpus::Reject } else { Corpus::Keep }
});

/// Whether what is made of `item` must be readable too. What the compiler cannot read it does not hand on; what a trait asks
/// for is read as verbatim; and nothing can return a bare trait object, which would need parentheses elsewhere.
fn is_readable(item: &Item) -> bool {
    let output = match item {
        Item::Fn(function) => &function.sig.output,
        item => return !matches!(item, Item::Verbatim(_)),
    };
    !matches!(output, ReturnType::Type(_, output) if matches!(**output, Type::TraitObject(_)))
}

/// The arguments and the item of each attribute whose name begins as ours does, at any depth.
fn find_uses(tokens: TokenStream, uses: &mut Vec<(TokenStream, TokenStream)>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    for (index, token) in tokens.iter().enumerate() {
        let TokenTree::Group(group) = token else { continue };
        find_uses(group.stream(), uses);
        if group.delimiter() == Delimiter::Bracket && group.to_string().contains("guard_metrics") {
            let args = group.stream().into_iter().find_map(|token| match token {
                TokenTree::Group(args) => Some(args.stream()),
                _ => None,
            });
            uses.push((args.unwrap_or_default(), item(&tokens[index + 1..])));
        }
    }
}

/// The first item of `tokens`: up to a block or a semicolon.
fn item(tokens: &[TokenTree]) -> TokenStream {
    let is_end = |token: &TokenTree| match token {
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
        TokenTree::Punct(punct) => punct.as_char() == ';',
        _ => false,
    };
    let end = tokens.iter().position(is_end).map_or(tokens.len(), |end| end + 1);
    tokens[..end].iter().cloned().collect()
}

fn has(tokens: &impl ToTokens, name: &str) -> bool {
    handler::find_ident(tokens.to_token_stream(), name).is_some()
}
