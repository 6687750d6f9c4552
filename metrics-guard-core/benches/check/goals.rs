//! Checks the goals of a check, each as a ratio in one run, or as a count.

use std::collections::HashMap;

use crate::{
    cases::{self, FLOOR, FORM},
    measure::{Measured, allocations, goal, median, shown},
    reference::{self, Reference},
};

const BY_INSTRUCTIONS: &[(&str, &str, f64)] = &[
    ("header", FLOOR, 1.95),
    ("header, four keys", "header", 1.0),
    ("Bearer", FLOOR, 2.7),
    ("Bearer, four keys", "Bearer", 1.0),
    ("Basic", FLOOR, 6.5),
    ("Basic, four keys", "Basic", 1.0),
    ("query", FORM, 0.36),
    ("query, four keys", "query", 1.0),
];

const WITHOUT_ALLOCATIONS: &[&str] = &["header", "header, wrong", "Bearer", "Basic", "query", "query, escaped"];

const BY_TIME_IN_GO: &[(&str, &str, f64)] =
    &[("header", reference::HEADER, 0.6), ("header, wrong", reference::WRONG, 0.12), ("query", reference::QUERY, 0.06)];

pub(crate) fn report(rows: &HashMap<&str, Measured>) {
    println!("| what | to what | by | at most | measured |\n|---|---|---|---|---|");
    for (what, other, most) in BY_INSTRUCTIONS {
        goal(what, other, "instructions", *most, rows[what].instructions_over(&rows[other]));
    }
    for what in WITHOUT_ALLOCATIONS {
        goal(what, "", "allocations", 0.0, allocations(what));
    }
    goal("header", FLOOR, "time", 2.0, Some(rows["header"].time_over(&rows[FLOOR])));
    goal("header, two threads", "one thread", "time", 1.2, Some(cases::time_on(2) / cases::time_on(1)));
    let reference = Reference::measure();
    let over = |what: &str, other| {
        let theirs = reference.as_ref().map(|reference| reference.time(other));
        theirs.map(|theirs| median(rows[what].times.clone()) / theirs)
    };
    for (what, other, most) in BY_TIME_IN_GO {
        goal(what, other, "time", *most, over(what, other));
    }
    let answered = "header, wrong, answered"; // the reference sends a response too
    println!("| {answered} | {} | time | reported | {} |", reference::WRONG, shown(over(answered, reference::WRONG)));
}
