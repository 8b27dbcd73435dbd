fn main() {
    let full = std::env::args().nth(1).as_deref() == Some("full");
    tests::models::trial(
        if full {
            tests::models::Size::Full
        } else {
            tests::models::Size::Small
        },
        2,
    );
}
