fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("full") => tests::models::trial(tests::models::Size::Full, 2),
        Some("mutants") => tests::models::trial_mutants(),
        _ => tests::models::trial(tests::models::Size::Small, 2),
    }
}
