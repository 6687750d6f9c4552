//! The arguments of the attribute: `crate = path` and `route_attr = name`.

use syn::{
    Error, Ident, Path, Token,
    ext::IdentExt,
    parse::{Parse, ParseStream},
};

/// What stands in the parentheses of `#[guard_metrics(..)]`.
#[derive(Default)]
pub(crate) struct Args {
    /// Where the adapter crate is, if not at its own name.
    pub(crate) adapter: Option<Path>,
    /// Another name of a route attribute.
    pub(crate) route_attr: Option<Ident>,
}

const EXPECTED: &str = "expected `crate = path` or `route_attr = name`";

impl Parse for Args {
    fn parse(input: ParseStream<'_>) -> syn::Result<Args> {
        let mut args = Args::default();
        while !input.is_empty() {
            let name = input.call(Ident::parse_any)?;
            if input.parse::<Option<Token![=]>>()?.is_none() {
                return Err(Error::new(name.span(), format!("`{name}` needs a value: {EXPECTED}")));
            }
            if name == "crate" {
                set(&mut args.adapter, &name, input.call(Path::parse_mod_style)?)?;
            } else if name == "route_attr" {
                set(&mut args.route_attr, &name, input.parse()?)?;
            } else {
                return Err(Error::new(name.span(), format!("unknown argument `{name}`: {EXPECTED}")));
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(args)
    }
}

fn set<T>(argument: &mut Option<T>, name: &Ident, value: T) -> syn::Result<()> {
    match argument.replace(value) {
        Some(_) => Err(Error::new(name.span(), format!("`{name}` is given twice"))),
        None => Ok(()),
    }
}
