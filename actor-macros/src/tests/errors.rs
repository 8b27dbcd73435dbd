//! Every mistake is one error, which says what is wrong and how to put it right.

use super::{expand, mistakes};

const TIMEOUT: &str = r#"timeout = "1h""#;
const PENDING: &str = r#"pending, timeout = "1h""#;
const ESTABLISH: &str = "#[establish] fn establish(self) -> Checkout { x }";

/// The one mistake of an established block with these members.
#[track_caller]
pub(super) fn established(members: &str, says: &[&str]) {
    one(
        TIMEOUT,
        &format!("impl Checkout {{ #[handler] fn count(&self) -> u8 {{ 0 }} {members} }}"),
        says,
    );
}

/// The one mistake of a pending block with these members.
#[track_caller]
pub(super) fn pending(members: &str, says: &[&str]) {
    one(
        PENDING,
        &format!("impl Cart {{ #[handler] fn count(&self) -> u8 {{ 0 }} {ESTABLISH} {members} }}"),
        says,
    );
}

#[track_caller]
fn arguments(args: &str, says: &[&str]) {
    one(
        args,
        "impl Counter { #[handler] fn next(&mut self) -> u64 { 0 } }",
        says,
    );
}

#[track_caller]
pub(super) fn one(args: &str, item: &str, says: &[&str]) {
    let found = mistakes(args, item);
    assert_eq!(found.len(), 1, "one mistake, one error: {found:#?}");
    for fragment in says {
        assert!(
            found[0].contains(fragment),
            "{fragment:?} is missing in: {}",
            found[0]
        );
    }
    let expansion = expand(args, item).to_string();
    assert!(expansion.contains("compile_error"), "{expansion}");
    assert!(
        expansion.starts_with(&item[..4]),
        "the user's item comes first: {expansion}"
    );
}

#[test]
fn every_wait_is_finite() {
    arguments(
        "",
        &[
            "how long this dialog waits",
            "`timeout = \"2 days\"`",
            "\"30 years\"",
        ],
    );
    one(
        "pending",
        &format!("impl Cart {{ #[handler] fn a(&self) {{}} {ESTABLISH} }}"),
        &["how long pending work is kept"],
    );
    arguments(r#"timeout = "0s""#, &["zero"]);
    arguments(
        r#"timeout = "200 years""#,
        &["more than 100 years", "\"30 years\""],
    );
    arguments(r#"timeout = "soon""#, &["whole number"]);
    arguments("timeout = 30", &["as text: `timeout = \"30m\"`"]);
    arguments("timeout", &["as text: `timeout = \"30m\"`"]);
    arguments(
        r#"timeout = "1h", lifetime = "1 fortnight""#,
        &["`fortnight` is no unit"],
    );
}

#[test]
fn arguments_are_known_by_name() {
    arguments(
        r#"timeout = "1h", timeut = "1h""#,
        &[
            "unknown argument `timeut`: did you mean `timeout`?",
            "pending, timeout, lifetime",
        ],
    );
    arguments(
        r#"timeout = "1h", colour = red"#,
        &["unknown argument `colour`: known are pending,"],
    );
    arguments(
        r#"timeout = "1h", timeout = "2h""#,
        &["`timeout` is given twice"],
    );
    arguments(
        r#"timeout = "1h", events(newest) = Progress"#,
        &["each of them, or currency, the newest: write `events = Progress`"],
    );
    arguments(r#"timeout = "1h", version = 0"#, &["from 1 up"]);
    arguments(r#"timeout = "1h", name = """#, &["1 to 255 bytes"]);
    let cart = format!("impl Cart {{ #[handler] fn a(&self) {{}} {ESTABLISH} }}");
    one(
        r#"pending, timeout = "1h", name = "Cart""#,
        &cart,
        &["move `name` there"],
    );
    one(
        r#"pending, timeout = "1h", events = Progress"#,
        &cart,
        &["move `events` to the established block"],
    );
    one(
        r#"pending, timeout = "1h", on_poison = "hold""#,
        "impl Cart { #[handler] fn count(&self) -> u8 { 0 } #[establish] fn establish(self) -> Checkout { x } }",
        &["move `on_poison` to the established block"],
    );
    arguments(
        r#"timeout = "1h", on_poison = "skip""#,
        &["ends its dialog", "waits for an operator"],
    );
    one(
        r#"pending, timeout = "1h", lifetime = "1 year""#,
        &cart,
        &["move `lifetime` to the established block"],
    );
}

#[test]
fn earlier_versions_are_earlier_and_a_volatile_dialog_has_none() {
    for (args, said) in [
        ("from = CounterV1", "count up, `version = 2`"),
        ("version = 1, from = CounterV1", "count up, `version = 2`"),
        ("from(1 => CounterV1)", "count up, `version = 2`"),
        (
            "version = 2, from(2 => CounterV1)",
            "version 2 is not before version 2",
        ),
        (
            "version = 3, from(1 => A, 1 => B)",
            "version 1 is given twice",
        ),
        (
            "version = 2, from(0 => A)",
            "versions are whole numbers from 1 up",
        ),
        (
            "version = 3, from(1 => CounterV1, CounterV2)",
            "say which version it was: `from(1 => CheckoutV1, 2 => CheckoutV2)`",
        ),
        (
            "accepts(0x1_0000_0000_0000_0000)",
            "a fingerprint has 64 bits",
        ),
        ("volatile, version = 2", "a volatile dialog is never stored"),
        (
            "volatile, version = 2, from = CounterV1",
            "a volatile dialog is never stored",
        ),
        (
            "volatile, from = CounterV1",
            "a volatile dialog is never stored",
        ),
    ] {
        arguments(&format!("timeout = \"1h\", {args}"), &[said]);
    }
    let cart = format!("impl Cart {{ #[handler] fn a(&self) {{}} {ESTABLISH} }}");
    for (args, said) in [
        ("volatile", "move `volatile` there"),
        ("accepts(1)", "move `accepts` there"),
    ] {
        one(
            &format!("pending, timeout = \"1h\", {args}"),
            &cart,
            &[said],
        );
    }
}

#[test]
fn a_dialog_is_an_inherent_block_of_a_concrete_type() {
    one(
        TIMEOUT,
        "struct Counter;",
        &["on an `impl Type { .. }` block"],
    );
    one(
        TIMEOUT,
        "impl Clone for Counter { #[handler] fn a(&self) {} }",
        &["inherent block"],
    );
    one(
        TIMEOUT,
        "impl<T> Counter<T> { #[handler] fn a(&self) {} }",
        &["cannot be generic yet", "concrete type"],
    );
    one(
        TIMEOUT,
        "impl Counter<u8> { #[handler] fn a(&self) {} }",
        &["cannot be generic yet"],
    );
    one(
        TIMEOUT,
        "impl (u8, u8) { #[handler] fn a(&self) {} }",
        &["a struct or an enum of yours"],
    );
    one(
        TIMEOUT,
        "impl Counter { fn a(&self) {} }",
        &["no method here is a `#[handler]`", "cannot be talked to"],
    );
    one(
        PENDING,
        &format!("impl Cart {{ {ESTABLISH} }}"),
        &["no method here is a `#[handler]`", "needs no pending block"],
    );
}

#[test]
fn pending_work_is_established_in_one_place() {
    pending(
        "#[establish] fn again(self) -> Checkout { x }",
        &["`establish` is `#[establish]` already"],
    );
    one(
        PENDING,
        "impl Cart { #[handler] fn a(&self) {} }",
        &["needs one `#[establish]` method", "-> Checkout`"],
    );
    established(ESTABLISH, &["belongs to the pending block"]);
    let with = |establish: &str| {
        format!("impl Cart {{ #[handler] fn a(&self) {{}} #[establish] {establish} }}")
    };
    one(
        PENDING,
        &with("fn e(&self) -> Checkout { x }"),
        &["takes `self` by value"],
    );
    one(
        PENDING,
        &with("fn e(self, cx: &PendingCx<'_>) -> Checkout { x }"),
        &["nothing is pending any more", "&mut Cx"],
    );
    one(
        PENDING,
        &with("fn e(self, n: u8) -> Checkout { x }"),
        &["the context and nothing else"],
    );
}

#[test]
fn pending_work_causes_no_effects() {
    pending(
        "#[handler] fn a(&self, cx: &mut Cx<'_, Checkout>) {}",
        &["pending work cannot cause effects: take `&PendingCx<'_>`"],
    );
    pending(
        "#[handler] fn a(&self, cx: &Cx<'_, Checkout>) {}",
        &["take `&PendingCx<'_>`"],
    );
    pending(
        "#[handler] fn a(&self, cx: &mut PendingCx<'_>) {}",
        &["only reads its context"],
    );
    pending(
        "#[handler] fn a(self) {}",
        &[
            "cannot end a dialog that is not established",
            "`&mut self` or `&self`",
        ],
    );
    pending(
        "#[handler] fn a(&mut self) -> Later<u8> { x }",
        &["answered at once"],
    );
    pending(
        "#[resume] fn a(&mut self) {}",
        &["`#[resume]` belongs to the established block"],
    );
    pending(
        "#[abandoned] fn a(self) {}",
        &["`#[abandoned]` belongs to the established block"],
    );
}

#[test]
fn names_are_the_wire_identity() {
    established(
        "#[handler] fn dialog(&self) {}",
        &["`dialog` is the plumbing's own word"],
    );
    one(
        r#"timeout = "1h", events = Progress"#,
        "impl Counter { #[handler] fn events(&self) {} }",
        &["`events` is the plumbing's own word"],
    );
    pending(
        "#[handler] fn established(&self) {}",
        &["`established` is the plumbing's own word"],
    );
    // These two names have the same 32-bit FNV-1a.
    established(
        "#[handler] fn join_big_tax(&self) {} #[handler] fn scan_small_cash(&self) {}",
        &["`join_big_tax` and `scan_small_cash` have the same number on the wire: rename one"],
    );
}

#[test]
fn several_mistakes_are_told_at_once() {
    let found = mistakes(
        "timeut = \"1h\"",
        "impl Checkout { #[handler] async fn a(&self) {} #[handler] fn b(&self, name: &str) {} #[resume] fn c(self) {} }",
    );
    assert_eq!(found.len(), 5, "{found:#?}");
}
