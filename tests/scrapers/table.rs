//! The table in deploy/README.md: what the trials found, and nothing that somebody believes.

use std::{env, fs, io, path::PathBuf};

use metrics_guard_tests::scraper::{Place, Program, Scraper};

use crate::{
    methods::{FINDINGS, Finding, METHODS, Method, Renewal},
    tools::{deploy, fetched},
};

const BEGIN: &str = "<!-- what `cargo test -p metrics-guard-tests --test scrapers` found -->\n";
const END: &str = "<!-- end of what it found -->\n";

/// Prints the table, if all was tried, and compares it with the one in deploy/README.md, or puts it there where the
/// variable `TABLE` is `overwrite`.
///
/// # Errors
///
/// If the two differ, but not in the versions: what is packaged moves on, and what was found of another version stays true.
pub(crate) fn check() -> io::Result<()> {
    let Some(table) = table()? else {
        println!("not all was tried: there is no table to compare with that in deploy/README.md");
        return Ok(());
    };
    println!("{table}");
    let text = fs::read_to_string(readme())?;
    let [before, there, after] = parts(&text)?;
    if there == table {
        return Ok(());
    }
    if env::var_os("TABLE").is_some_and(|table| table == "overwrite") {
        return fs::write(readme(), format!("{before}{BEGIN}{table}{END}{after}"));
    }
    if there.lines().next() != table.lines().next() {
        println!("deploy/README.md is about other versions: after reading it, TABLE=overwrite puts this table there");
        return Ok(());
    }
    Err(io::Error::other(format!(
        "deploy/README.md has another table:\n{there}\nIf the new one is right, TABLE=overwrite puts it there."
    )))
}

/// Whether the table in deploy/README.md is about the version of this program.
///
/// # Errors
///
/// If there is no table.
pub(crate) fn is_about(program: &Program) -> io::Result<bool> {
    let text = fs::read_to_string(readme())?;
    let [_, there, _] = parts(&text)?;
    Ok(there.lines().next().is_some_and(|head| head.contains(&column(program))))
}

fn readme() -> PathBuf {
    deploy("README.md")
}

/// What is before the table, the table, and what is after it.
fn parts(text: &str) -> io::Result<[&str; 3]> {
    let parts = text.split_once(BEGIN).and_then(|(before, rest)| {
        let (there, after) = rest.split_once(END)?;
        Some([before, there, after])
    });
    parts.ok_or_else(|| io::Error::other("the table's place in deploy/README.md is gone"))
}

/// The head of the column of this program.
fn column(program: &Program) -> String {
    format!("| {} {} |", program.of.name(), program.version)
}

fn table() -> io::Result<Option<String>> {
    let Some(rows) = METHODS.iter().map(row).collect::<Option<String>>() else { return Ok(None) };
    let mut head = "| file | the field that does it | since |".to_owned();
    for scraper in Scraper::ALL {
        let Some(program) = fetched(scraper)? else { return Ok(None) };
        head += &column(&program)[1..]; // which begins where the last one ends
    }
    Ok(Some(format!("{head} the key shows in | a new key needs |\n|---|---|---|---|---|---|---|---|---|\n{rows}")))
}

fn row(method: &Method) -> Option<String> {
    let findings = FINDINGS.lock().unwrap();
    let findings: Option<Vec<_>> =
        Scraper::ALL.iter().map(|scraper| Some((*scraper, findings.get(&(method.file, *scraper))?))).collect();
    let findings = findings?;
    let cells: String = findings
        .iter()
        .map(|(_, finding)| if **finding == Finding::Refused { " refused |" } else { " works |" })
        .collect();
    let works: Vec<_> = findings
        .iter()
        .filter_map(|(scraper, finding)| match finding {
            Finding::Refused => None,
            Finding::Works { shown, renewal } => Some((*scraper, shown, *renewal)),
        })
        .collect();
    let shown = each(works.iter().map(|(scraper, shown, _)| {
        let places: Vec<_> = shown.iter().map(|place| place_name(*place)).collect();
        (*scraper, if places.is_empty() { "nothing".to_owned() } else { places.join(", ") })
    }));
    let renewal = each(works.iter().map(|(scraper, _, renewal)| (*scraper, renewal_name(*renewal).to_owned())));
    let (file, field, since) = (method.file, method.field, method.since);
    Some(format!("| [{file}]({file}) | `{field}` | {since} |{cells} {shown} | {renewal} |\n"))
}

const fn place_name(place: Place) -> &'static str {
    match place {
        Place::Targets => "targets",
        Place::Configuration => "configuration",
        Place::Log => "log",
        Place::Elsewhere => "elsewhere",
    }
}

const fn renewal_name(renewal: Renewal) -> &'static str {
    match renewal {
        Renewal::File => "nothing",
        Renewal::Reload => "a reload",
        Renewal::Restart => "a restart",
    }
}

/// What holds for most, and then the exceptions.
fn each(values: impl Iterator<Item = (Scraper, String)>) -> String {
    let values: Vec<_> = values.collect();
    let count = |value: &str| values.iter().filter(|(_, other)| other == value).count();
    // Of several that are as usual, the first.
    let Some(most) = values.iter().rev().map(|(_, value)| value).max_by_key(|value| count(value)) else {
        return String::new();
    };
    let exceptions = values.iter().filter(|(_, value)| value != most).map(|(scraper, value)| {
        let version = fetched(*scraper).ok().flatten().map(|program| program.version).unwrap_or_default();
        format!("; {} {version}: {value}", scraper.name())
    });
    format!("{most}{}", exceptions.collect::<String>())
}
