//! What a check may cost, as a ratio to something else in the same run.

use std::collections::HashMap;

use crate::{
    cases::{ACTIX, FLOOR, FORM, TOWER},
    measure::{Measured, goal, median},
    reference::{self, Reference},
};

const BY_INSTRUCTIONS: &[(&str, &str, f64)] = &[
    ("header", FLOOR, 1.4),
    ("header, four keys", "header", 1.0),
    ("header, over-long", FLOOR, 1.0),
    ("Bearer", "header", 1.3),
    ("Basic", "header", 3.0),
    ("query", FORM, 0.35),
];

const BY_TIME: &[(&str, &str, f64)] = &[("header", FLOOR, 2.0), ("Bearer", TOWER, 1.0), ("Bearer", ACTIX, 1.0)];

const BY_TIME_IN_GO: &[(&str, &str, f64)] = &[
    ("header", reference::HEADER, 0.6),
    ("header, wrong", reference::WRONG, 0.2),
    ("header, wrong, answered", reference::WRONG, 0.2), // as theirs is
    ("query", reference::QUERY, 0.12),
];

pub(crate) fn report(rows: &HashMap<&str, Measured>) {
    println!("| what | to what | by | at most | measured |\n|---|---|---|---|---|");
    for (what, other, most) in BY_INSTRUCTIONS {
        goal(what, other, "instructions", *most, rows[what].instructions_over(&rows[other]));
    }
    for (what, other, most) in BY_TIME {
        goal(what, other, "time", *most, Some(rows[what].time_over(&rows[other])));
    }
    let reference = Reference::measure();
    for (what, other, most) in BY_TIME_IN_GO {
        let theirs = reference.as_ref().map(|reference| reference.time(other));
        goal(what, other, "time", *most, theirs.map(|theirs| median(rows[what].times.clone()) / theirs));
    }
}
