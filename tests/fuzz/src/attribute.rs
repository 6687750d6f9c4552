//! Fuzzes the attribute with valid and invalid Rust. For each `#[guard_metrics(..)]` in it, the expansion of each framework
//! must be a guarded function or an error, and must parse.

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
use syn::{Attribute, File, FnArg, Item, ItemFn, Meta, ReturnType, Stmt, Type};

/// Returns whether a function has the guard of this crate's expansion.
fn is_guarded(krate: &str, of: &ItemFn) -> bool {
    match krate {
        "metrics_guard_actix" => asks_for_the_guard(of) && (ends_in(of, "handler") || registers_guarded_routes(of)),
        "metrics_guard_core" => of.block.stmts.first().is_some_and(|first| has(first, "check")),
        "metrics_guard_rocket" => asks_for_the_proof(of) || joins_the_proof(of),
        "metrics_guard_tower" => asks_for_the_proof(of) && of.sig.asyncness.is_some() && ends_in(of, "unstored"),
        "metrics_guard_warp" => has(&of.sig.output, "Locked"),
        _ => asks_for_the_proof(of), // add an arm for a different expansion
    }
}

/// Returns whether the only parameter is the guard.
fn asks_for_the_guard(of: &ItemFn) -> bool {
    of.sig.inputs.len() == 1 && has(&of.sig.inputs, "Guard")
}

/// Returns whether each attribute that sets a path also has the guard, and the handler takes the proof of it.
fn registers_guarded_routes(of: &ItemFn) -> bool {
    let handler = of.block.stmts.iter().find_map(|stmt| match stmt {
        Stmt::Item(Item::Fn(handler)) => Some(handler),
        _ => None,
    });
    let is_unguarded = |attr: &Attribute| {
        let is_route = frameworks::actix::FRAMEWORK.is_route(&attr.meta, &args::Args::default());
        is_route
            && matches!(&attr.meta, Meta::List(list) if !list.tokens.to_string().contains("__metrics_guard_registered()"))
    };
    let is_guarded = |handler: &ItemFn| has(&handler.sig.inputs, "Allowed") && !handler.attrs.iter().any(is_unguarded);
    ends_in(of, "service") && handler.is_some_and(is_guarded)
}

/// Returns whether the proof is the first parameter, because frameworks evaluate parameters in their order.
fn asks_for_the_proof(of: &ItemFn) -> bool {
    matches!(of.sig.inputs.first(), Some(FnArg::Typed(first)) if has(&first.ty, "Authorized"))
}

/// Returns whether the first request guard has the proof, as in a Rocket handler with seven parameters. Rocket evaluates the
/// route's own parameters after all request guards.
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

/// Returns whether the expansion of `item` must parse. It need not for two kinds of items: `Verbatim`, such as a function
/// without a body, and a function that returns a bare trait object, which never compiles and would need parentheses.
fn is_readable(item: &Item) -> bool {
    let output = match item {
        Item::Fn(function) => &function.sig.output,
        item => return !matches!(item, Item::Verbatim(_)),
    };
    !matches!(output, ReturnType::Type(_, output) if matches!(**output, Type::TraitObject(_)))
}

/// Finds the arguments and the item of each attribute whose text contains `guard_metrics`, at any depth.
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

/// Returns the first item of `tokens`, up to a block or a semicolon.
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
