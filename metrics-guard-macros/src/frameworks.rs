//! The table that the four expansions read: each framework with its crate, its arguments and its route attributes.

use proc_macro2::{Ident, Span, TokenStream};
use syn::{Path, parse_quote_spanned};

use crate::args::Args;

/// What an expansion knows of its framework.
pub(crate) struct Framework {
    /// The crate whose items the expansion names, unless `crate = path` names another.
    pub(crate) krate: &'static str,
    /// The arguments that the attribute takes, and how a message lists them.
    pub(crate) arguments: &'static [&'static str],
    pub(crate) expected: &'static str,
    /// The route attributes, which stay outside, by the last segment of their paths.
    pub(crate) routes: &'static [&'static str],
}

pub(crate) const ROCKET: Framework = Framework {
    krate: "metrics_guard_rocket",
    arguments: &["crate", "route_attr"],
    expected: "`crate = path` or `route_attr = name`",
    routes: &["get", "put", "post", "delete", "head", "options", "patch", "route"],
};

pub(crate) const AXUM: Framework =
    Framework { krate: "metrics_guard_tower", arguments: &["crate"], expected: "`crate = path`", routes: &[] };

pub(crate) const WARP: Framework = Framework { krate: "metrics_guard_warp", ..AXUM };

pub(crate) const REQUEST: Framework = Framework {
    krate: "metrics_guard_core",
    arguments: &["crate", "guard", "request", "denied"],
    expected: "`guard = expression`, `request = name`, `denied = path` or `crate = path`",
    routes: &[],
};

impl Framework {
    pub(crate) fn parse(&self, args: TokenStream) -> syn::Result<Args> {
        Args::parse(args, self.arguments, self.expected)
    }

    /// Where the items are that the expansion names. `span` is that of the framework's own name.
    pub(crate) fn path(&self, args: &Args, span: Span) -> Path {
        let name = Ident::new(self.krate, span);
        args.krate.clone().unwrap_or_else(|| parse_quote_spanned!(span=> ::#name))
    }

    pub(crate) fn is_route(&self, path: &Path, args: &Args) -> bool {
        let last = path.segments.last().map(|segment| &segment.ident);
        last.is_some_and(|last| Some(last) == args.route_attr.as_ref() || self.routes.iter().any(|name| last == name))
    }
}
