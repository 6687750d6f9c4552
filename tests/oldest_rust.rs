//! No crate has an `if` or `while` that needs a newer Rust than it names. `.ci/run msrv` asks that compiler itself, but not
//! every machine can have it.

#![allow(clippy::unwrap_used)] // in tests; clippy.toml does not reach their helper functions

use std::{
    fs,
    path::{Path, PathBuf},
};

use syn::{
    Expr, ExprIf, ExprLet, ExprWhile,
    visit::{self, Visit},
};

/// Counts each `let` that is not the whole condition: a let chain needs Rust 1.88, one in a guard of a `match` a later one.
#[derive(Default)]
struct NewerLets(usize);

impl NewerLets {
    fn in_file(text: &str) -> usize {
        let mut lets = NewerLets::default();
        lets.visit_file(&syn::parse_file(text).unwrap());
        lets.0
    }

    fn condition(&mut self, condition: &Expr) {
        match condition {
            Expr::Let(whole) => visit::visit_expr_let(self, whole),
            other => self.visit_expr(other),
        }
    }
}

impl Visit<'_> for NewerLets {
    fn visit_expr_if(&mut self, expression: &ExprIf) {
        self.condition(&expression.cond);
        self.visit_block(&expression.then_branch);
        if let Some((_, otherwise)) = &expression.else_branch {
            self.visit_expr(otherwise);
        }
    }

    fn visit_expr_while(&mut self, expression: &ExprWhile) {
        self.condition(&expression.cond);
        self.visit_block(&expression.body);
    }

    fn visit_expr_let(&mut self, expression: &ExprLet) {
        self.0 += 1;
        visit::visit_expr_let(self, expression);
    }
}

#[test]
fn a_let_chain_is_found() {
    for (text, expected) in [
        ("if let Some(x) = y { while let Some(z) = x {} } else if let None = y {}", 0),
        ("if let Some(x) = y && x {}", 1),
        ("if a && let Some(x) = y && let Some(z) = x {}", 2),
        ("let f = || { while a || b { if let Some(x) = y && (x || a) {} } };", 1),
        ("match y { Some(x) if let Some(z) = x => {} _ => {} }", 1),
    ] {
        assert_eq!(NewerLets::in_file(&format!("fn f() {{ {text} }}")), expected, "{text}");
    }
}

#[test]
fn the_crates_for_rust_1_85_have_no_let_chain() {
    let mut count = 0;
    for name in ["core", "macros", "rocket", "tower", "warp"] {
        let crate_folder = PathBuf::from(format!("../metrics-guard-{name}"));
        let manifest = fs::read_to_string(crate_folder.join("Cargo.toml")).unwrap();
        assert!(manifest.contains("\nrust-version.workspace = true\n"), "{name}");
        for folder in ["src", "examples"].map(|folder| crate_folder.join(folder)) {
            count += check(&folder);
        }
    }
    assert!(count > 50, "{count} files");
}

/// Fails for a file with such a `let`; the number of files.
fn check(folder: &Path) -> usize {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let mut count = 0;
    for path in entries.map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            count += check(&path);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            assert_eq!(NewerLets::in_file(&text), 0, "{} has a let chain", path.display());
            count += 1;
        }
    }
    count
}
