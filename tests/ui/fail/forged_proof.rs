// A proof that no check has given: made of nothing, or copied.
use metrics_guard_rocket::Authorized;

fn main() {
    let _ = Authorized::default();
    let _ = Authorized(todo!());
    let copied: Authorized = todo!();
    let _ = copied.clone();
}
