//! Tests that no two files of a published crate depend on each other, directly or through others. A reader can then read the
//! files bottom up, and never needs a name that a later file defines.

#![allow(clippy::unwrap_used)] // in tests; clippy.toml does not reach their helper functions

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use metrics_guard_tests::crates;
use syn::{
    Attribute, Item, ItemMod, ItemUse, UseTree, Visibility,
    visit::{self, Visit},
};

/// The segments of a module's path. `lib.rs` has none.
type Module = Vec<String>;

/// Each module of a crate that has its own file, with the modules that this file uses.
type Imports = BTreeMap<Module, BTreeSet<Module>>;

#[test]
fn no_two_files_of_a_crate_depend_on_each_other() {
    let crates = crates::published().unwrap();
    assert!(crates.len() >= 5);
    for published in crates {
        let imports = imports(&files(&published.folder.join("src"), &[]));
        assert_eq!(cycle(&imports), None, "in {}", published.name);
    }
}

#[test]
fn finds_a_cycle_through_a_third_file() {
    let file = |module: &str, text: &str| (module.split("::").map(str::to_owned).collect(), text.to_owned());
    let mut files = vec![
        file("a", "use crate::{b::{self, B}, c};"),
        file("b", "#[cfg(test)] mod tests { use crate::a::A; } fn f() { crate::b::c::C::new(); }"),
        file("b::c", "pub(super) struct C;"),
        file("c", "pub(super) use self::d::D; struct C;"),
        file("c::d", "struct D;"),
    ];
    assert_eq!(cycle(&imports(&files)), None);
    files.push((Vec::new(), "mod a; mod b; mod c; pub use a::A;".to_owned()));
    for text in ["fn f(_: super::super::a::A) {}", "use crate::A;", "pub(crate) use crate::a::A;"] {
        files[2].1 = text.to_owned();
        let cycle = cycle(&imports(&files)).unwrap();
        assert_eq!(cycle.len(), 3, "{text}: {cycle:?}");
    }
}

/// Returns the files below `folder` as modules below `parent`, with their text.
fn files(folder: &Path, parent: &[String]) -> Vec<(Module, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let module = if ["lib", "mod"].contains(&&*name) { parent.to_vec() } else { [parent, &[name]].concat() };
        if path.is_dir() {
            found.extend(files(&path, &module));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push((module, fs::read_to_string(path).unwrap()));
        }
    }
    found
}

fn imports(files: &[(Module, String)]) -> Imports {
    let modules: BTreeSet<_> = files.iter().map(|(module, _)| module.clone()).collect();
    let mut exports = BTreeMap::new();
    let mut imports = Imports::new();
    // `lib.rs` comes first, because its path is the shortest.
    for (module, text) in files.iter().collect::<BTreeSet<_>>() {
        let mut uses = Uses { module, modules: &modules, exports: &exports, found: BTreeMap::new() };
        uses.visit_file(&syn::parse_file(text).unwrap());
        let found = uses.found;
        if module.is_empty() {
            exports = found;
        } else {
            imports.insert(module.clone(), found.into_values().collect());
        }
    }
    imports
}

/// The modules that a file uses, except in its tests.
struct Uses<'m> {
    module: &'m Module,
    modules: &'m BTreeSet<Module>,
    /// The names that `lib.rs` exports, with their modules.
    exports: &'m BTreeMap<String, Module>,
    /// The used modules, by the path that names them.
    found: BTreeMap<String, Module>,
}

impl Uses<'_> {
    fn add(&mut self, path: &[String]) {
        let (mut from, mut rest) = (self.module.clone(), path);
        while let [first, others @ ..] = rest {
            match &**first {
                "crate" => from.clear(),
                "self" => {}
                "super" => drop(from.pop()),
                _ => break,
            }
            rest = others;
        }
        let exported = rest.first().filter(|_| from.is_empty()).and_then(|name| self.exports.get(name));
        let whole = exported.cloned().unwrap_or_else(|| [&from[..], rest].concat());
        // The longest prefix that is a module. A name without such a prefix belongs to another crate or to this file.
        let used = (1..=whole.len()).rev().map(|len| &whole[..len]).find(|path| self.modules.contains(*path));
        if let Some(used) = used.filter(|used| used != self.module) {
            // A path in this module that names none of its files is an item of this file.
            let is_above = self.module.starts_with(used) && path.len() == rest.len();
            if !is_above {
                self.found.insert(path.join("::"), used.to_vec());
                if let Some(name) = path.last().filter(|_| self.module.is_empty()) {
                    self.found.insert(name.clone(), used.to_vec());
                }
            }
        }
    }

    fn add_tree(&mut self, tree: &UseTree, before: &[String]) {
        match tree {
            UseTree::Path(path) => self.add_tree(&path.tree, &[before, &[path.ident.to_string()]].concat()),
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.add_tree(tree, before)),
            UseTree::Name(name) => self.add(&[before, &[name.ident.to_string()]].concat()),
            UseTree::Rename(name) => self.add(&[before, &[name.ident.to_string()]].concat()),
            UseTree::Glob(_) => self.add(before),
        }
    }
}

impl Visit<'_> for Uses<'_> {
    fn visit_item(&mut self, item: &Item) {
        let attributes = match item {
            Item::Mod(ItemMod { attrs, .. }) | Item::Use(ItemUse { attrs, .. }) => attrs,
            _ => &Vec::new(),
        };
        if !attributes.iter().any(is_of_tests) {
            visit::visit_item(self, item);
        }
    }

    /// Ignores a parent's exports of its children, because they are not its imports.
    fn visit_item_use(&mut self, item: &ItemUse) {
        let before = self.found.clone();
        self.add_tree(&item.tree, &[]);
        if !matches!(item.vis, Visibility::Inherited) && !self.module.is_empty() {
            let module = self.module;
            self.found.retain(|path, used| before.contains_key(path) || !used.starts_with(module));
        }
    }

    /// Ignores `pub(super)`, which names a module but does not use it.
    fn visit_vis_restricted(&mut self, _: &syn::VisRestricted) {}

    fn visit_path(&mut self, path: &syn::Path) {
        self.add(&path.segments.iter().map(|segment| segment.ident.to_string()).collect::<Vec<_>>());
        visit::visit_path(self, path);
    }
}

fn is_of_tests(attribute: &Attribute) -> bool {
    attribute.path().is_ident("cfg") && attribute.parse_args::<syn::Path>().is_ok_and(|path| path.is_ident("test"))
}

/// Returns modules that form a cycle: each uses the next, and the last uses the first.
fn cycle(imports: &Imports) -> Option<Vec<Module>> {
    fn from<'i>(
        module: &'i Module,
        imports: &'i Imports,
        way: &mut Vec<&'i Module>,
        done: &mut BTreeSet<&'i Module>,
    ) -> bool {
        if let Some(start) = way.iter().position(|before| *before == module) {
            way.drain(..start);
            return true;
        }
        if !done.insert(module) {
            return false;
        }
        way.push(module);
        if imports.get(module).into_iter().flatten().any(|used| from(used, imports, way, done)) {
            return true;
        }
        way.pop();
        false
    }
    let (mut way, mut done) = (Vec::new(), BTreeSet::new());
    imports.keys().any(|module| from(module, imports, &mut way, &mut done)).then(|| way.into_iter().cloned().collect())
}
