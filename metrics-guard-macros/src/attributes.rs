//! Sorts the attributes below ours: some stay outside the check, some move to the guarded body, and some are errors.
//!
//! An attribute macro outside the check could store a response and serve it without a check. Therefore only the attributes
//! that this file lists stay outside. All others move to the guarded body.

use proc_macro2::{TokenStream, TokenTree};
use syn::{Attribute, Error, Meta, Path, Token, parse::Parser, punctuated::Punctuated};

use crate::{args::Args, framework::Framework};

/// The built-in attributes that stay outside. They concern the callers of the function, or apply to everything inside it.
///
/// Each is a single identifier. If a macro is imported under such a name, the compiler rejects the name as ambiguous.
const BUILT_IN: [&str; 18] = [
    "allow",
    "cfg",
    "cold",
    "coverage",
    "deny",
    "deprecated",
    "doc",
    "expect",
    "export_name",
    "forbid",
    "inline",
    "instruction_set",
    "link_section",
    "must_use",
    "no_mangle",
    "target_feature",
    "track_caller",
    "warn",
];

/// The tools that the compiler knows. Their attributes are not macros, but a user's module of the same name hides a tool.
const TOOLS: [&str; 5] = ["clippy", "diagnostic", "miri", "rust_analyzer", "rustfmt"];

/// The attributes that register, export or describe the function. Below ours, they would apply to the unguarded body.
///
/// The list has the last segments of their paths. Names such as `http_server` are recognised without it. A bare `path` is a
/// built-in attribute. Only names can tell such a macro from one that wraps the body, such as a cache.
const ABOVE_ALONE: [&str; 40] = [
    // Routes and handlers.
    "api_operation",
    "api_v2_operation",
    "connect",
    "delete",
    "endpoint",
    "event",
    "fallback",
    "fetch",
    "get",
    "handler",
    "head",
    "options",
    "patch",
    "post",
    "put",
    "query",
    "request_handler",
    "route",
    "routes",
    "update",
    // Descriptions.
    "openapi",
    "path",
    // Exports, registers and entry points.
    "command",
    "ctor",
    "distributed_slice",
    "dtor",
    "export",
    "extendr",
    "ffi_export",
    "ffi_function",
    "jni_fn",
    "main",
    "napi",
    "nif",
    "pg_extern",
    "php_function",
    "pyfunction",
    "register",
    "test",
    "wasm_bindgen",
];

/// The attributes of a function, sorted by their place.
#[derive(Default)]
pub(crate) struct Sorted {
    pub(crate) outside: Vec<Attribute>,
    pub(crate) inside: Vec<Attribute>,
}

impl Sorted {
    pub(crate) fn of(attrs: &[Attribute], framework: &Framework, args: &Args) -> syn::Result<Sorted> {
        let mut sorted = Sorted::default();
        for attr in attrs {
            let carried = all_of(&attr.meta);
            let is_above = |meta: &&Meta| belongs_above(meta.path()) && !framework.is_route(meta, args);
            if let Some(meta) = carried.iter().find(is_above) {
                let has_route = || attrs.iter().any(|attr| framework.is_route(&attr.meta, args));
                let may_be_route = framework.arguments.contains(&"route_attr") && !has_route();
                return Err(above(meta.path(), may_be_route));
            }
            let is_outside = |meta: &Meta| is_built_in(meta.path()) || framework.is_route(meta, args);
            let place = if carried.iter().all(is_outside) { &mut sorted.outside } else { &mut sorted.inside };
            place.push(attr.clone());
        }
        Ok(sorted)
    }

    /// Returns the first attribute inside that may be a macro, because it belongs to no tool.
    pub(crate) fn foreign(&self) -> Option<&Attribute> {
        self.inside.iter().find(|attr| !all_of(&attr.meta).iter().all(|meta| is_of_a_tool(meta.path())))
    }
}

/// Returns the attributes that `meta` applies: itself, or those in its `cfg_attr` or `unsafe(..)`, at any depth.
fn all_of(meta: &Meta) -> Vec<Meta> {
    let carried = match meta {
        Meta::List(list) if list.path.is_ident("cfg_attr") => metas(after_comma(list.tokens.clone())),
        Meta::List(list) if list.path.is_ident("unsafe") => metas(list.tokens.clone()),
        _ => None,
    };
    carried.map_or_else(|| vec![meta.clone()], |metas| metas.iter().flat_map(all_of).collect())
}

fn metas(tokens: TokenStream) -> Option<Punctuated<Meta, Token![,]>> {
    Punctuated::parse_terminated.parse2(tokens).ok()
}

fn after_comma(tokens: TokenStream) -> TokenStream {
    let is_comma = |token: &TokenTree| matches!(token, TokenTree::Punct(punct) if punct.as_char() == ',');
    tokens.into_iter().skip_while(|token| !is_comma(token)).skip(1).collect()
}

fn is_built_in(path: &Path) -> bool {
    path.get_ident().is_some_and(|name| BUILT_IN.iter().any(|known| name == known))
}

fn is_of_a_tool(path: &Path) -> bool {
    let first = path.segments.first().filter(|_| path.leading_colon.is_none() && path.segments.len() > 1);
    first.is_some_and(|first| TOOLS.iter().any(|tool| first.ident == tool))
}

/// Returns whether `attr` may be a macro that expects the function as the user wrote it.
pub(crate) fn is_foreign(attr: &Attribute) -> bool {
    let metas = all_of(&attr.meta);
    !metas.iter().all(|meta| is_built_in(meta.path()) || is_of_a_tool(meta.path()) || belongs_above(meta.path()))
}

fn belongs_above(path: &Path) -> bool {
    let last = path.segments.last().map(|segment| &segment.ident);
    last.map(ToString::to_string).is_some_and(|last| {
        let is_server = last.starts_with("http") || ["server", "service"].iter().any(|end| last.ends_with(end));
        is_server || ABOVE_ALONE.contains(&&*last)
    }) && !path.is_ident("path")
}

fn above(path: &Path, may_be_route: bool) -> Error {
    let shown = shown(path);
    let name = shown.rsplit("::").next().filter(|_| may_be_route);
    let or = name.map(|name| format!(". If it is a route attribute, write `#[guard_metrics(route_attr = {name})]`"));
    Error::new_spanned(
        path,
        format!(
            "`#[{shown}]` is below `#[guard_metrics]`, so it would apply to the body without the guard; move it above \
             `#[guard_metrics]`{}",
            or.unwrap_or_default()
        ),
    )
}

/// Returns `path` as the messages show it.
pub(crate) fn shown(path: &Path) -> String {
    path.segments.iter().map(|segment| segment.ident.to_string()).collect::<Vec<_>>().join("::")
}
