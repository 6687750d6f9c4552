// A macro under the name of each built-in attribute that stays outside the check is ambiguous.
macro_rules! shadowed {
    ($($name:ident $attribute:meta;)*) => {
        $(mod $name {
            use cached::proc_macro::once as $name;
            use metrics_guard_tower::guard_metrics;

            #[guard_metrics]
            #[$attribute]
            async fn metrics() -> String {
                String::new()
            }
        })*
    };
}

shadowed! {
    allow allow(unused);
    cold cold;
    coverage coverage(off);
    deny deny(unused);
    deprecated deprecated;
    doc doc = "";
    expect expect(unused);
    export_name unsafe(export_name = "metrics");
    forbid forbid(unused);
    inline inline;
    instruction_set instruction_set(arm::a32);
    link_section unsafe(link_section = ".text");
    must_use must_use;
    no_mangle unsafe(no_mangle);
    target_feature target_feature(enable = "sse2");
    track_caller track_caller;
    warn warn(unused);
}

fn main() {}
