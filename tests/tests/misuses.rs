//! What cannot be written: each file in `ui/` is a mistake, with what the compiler says of it beside.
//!
//! After a change of toolchain or wording: `TRYBUILD=overwrite cargo test -p tests --test misuses`, then read the diff.

#[test]
fn misuses_do_not_compile_and_name_the_fix() {
    trybuild::TestCases::new().compile_fail("ui/*.rs");
}
