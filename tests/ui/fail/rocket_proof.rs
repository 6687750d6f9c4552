// Only a check makes a proof: code can neither make nor copy one, and the body sees only its own parameters.
use metrics_guard_rocket::{Authorized, guard_metrics};
use rocket::get;

#[guard_metrics]
#[get("/metrics")]
fn called_directly() {}

#[guard_metrics]
#[get("/metrics")]
fn proof_out_of_reach() {
    let _ = __metrics_guard_authorized;
}

// The expansion finds the type of the proof through the path of the crate.
#[guard_metrics(crate = ::renamed)]
#[get("/metrics")]
fn missing_crate() {}

fn main() {
    called_directly();
    let _ = Authorized::default();
    let _ = Authorized(todo!());
    let copied: Authorized = todo!();
    let _ = copied.clone();
}
