//! Parses the arguments of the attribute, which are in the parentheses of `#[guard_metrics(..)]`.

use proc_macro2::TokenStream;
use syn::{
    Error, Expr, Ident, Path, Token,
    ext::IdentExt,
    parse::{ParseStream, Parser},
};

/// The arguments of all frameworks. Each framework accepts a few of them.
#[derive(Default)]
pub(crate) struct Args {
    /// `crate`: the path of the crate whose items the expansion names, if it is not the name of that crate.
    pub(crate) krate: Option<Path>,
    /// `route_attr`: the name under which the user imported a route attribute.
    pub(crate) route_attr: Option<Ident>,
    /// `guard`: the expression for the guard.
    pub(crate) guard: Option<Expr>,
    /// `request`: the name of the parameter that is the request.
    pub(crate) request: Option<Ident>,
    /// `denied`: a function that builds the return type from a rejection.
    pub(crate) denied: Option<Path>,
}

impl Args {
    /// Parses `tokens`, which may contain the arguments in `known`. The errors list these as `expected`, and say that the guard
    /// comes from `source` if `guard` is not among them.
    pub(crate) fn parse(tokens: TokenStream, known: &[&str], expected: &str, source: &str) -> syn::Result<Args> {
        let parser = |input: ParseStream<'_>| {
            let mut args = Args::default();
            while !input.is_empty() {
                args.parse_one(input, known, expected, source)?;
                if !input.is_empty() {
                    input.parse::<Token![,]>().map_err(|error| other_than(expected, &error))?;
                }
            }
            Ok(args)
        };
        parser.parse2(tokens)
    }

    fn parse_one(&mut self, input: ParseStream<'_>, known: &[&str], expected: &str, source: &str) -> syn::Result<()> {
        let or_expected = |error: Error| other_than(expected, &error);
        let name = input.call(Ident::parse_any).map_err(or_expected)?;
        let text = name.to_string();
        let unknown = || {
            let instruction = match text.as_str() {
                "guard" => format!("the guard comes from {source}, so remove the argument"),
                _ => format!("write {expected}"),
            };
            Error::new(name.span(), format!("unknown argument `{name}`; {instruction}"))
        };
        if !known.contains(&text.as_str()) {
            return Err(unknown());
        }
        if input.parse::<Option<Token![=]>>()?.is_none() {
            return Err(Error::new(name.span(), format!("`{name}` has no value; write {expected}")));
        }
        match text.as_str() {
            "crate" => set(&mut self.krate, &name, input.call(Path::parse_mod_style).map_err(or_expected)?),
            "route_attr" => set(&mut self.route_attr, &name, input.parse().map_err(or_expected)?),
            "guard" => set(&mut self.guard, &name, input.parse()?),
            "request" => set(&mut self.request, &name, input.parse().map_err(or_expected)?),
            "denied" => set(&mut self.denied, &name, input.call(Path::parse_mod_style).map_err(or_expected)?),
            _ => Err(unknown()),
        }
    }
}

/// Returns an error at the position of `error` that lists the arguments, because the text of syn does not.
fn other_than(expected: &str, error: &Error) -> Error {
    Error::new(error.span(), format!("invalid argument of `#[guard_metrics]`; write {expected}"))
}

fn set<T>(argument: &mut Option<T>, name: &Ident, value: T) -> syn::Result<()> {
    match argument.replace(value) {
        Some(_) => Err(Error::new(name.span(), format!("`{name}` is given twice; remove one of the two"))),
        None => Ok(()),
    }
}
