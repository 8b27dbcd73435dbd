//! What one method may not be.

use super::errors::established;

#[test]
fn a_signature_is_a_message() {
    established(
        "#[handler] async fn a(&self) {}",
        &[
            "handlers run inside the commit and must not await; ask a partner and `.then(..)` instead",
        ],
    );
    established(
        "#[handler] fn a(&self, name: &str) {}",
        &["cannot be borrowed", "`String` for `&str`"],
    );
    established(
        "#[handler] fn a(&self, n: u8, names: Vec<&str>) {}",
        &["cannot be borrowed"],
    );
    established(
        "#[handler] fn a(&self) -> &str { x }",
        &["an answer travels", "by value"],
    );
    established(
        "#[handler] fn a(&self, n: impl Into<u8>) {}",
        &["instead of `impl Trait`"],
    );
    established(
        "#[handler] fn a(&self) -> impl Into<u8> { x }",
        &["instead of `impl Trait`"],
    );
    established(
        "#[handler] fn a<T>(&self, n: u8) {}",
        &["cannot be generic"],
    );
    established(
        "#[handler] fn a(n: u8) {}",
        &["needs a receiver: `&mut self` changes, `&self` reads"],
    );
    established(
        "#[handler] fn a(self: Box<Self>) {}",
        &["receiver is written short"],
    );
    established(
        "#[handler] fn a(&self) -> io::Result<u8> { x }",
        &["spell the error type: `Result<T, E>`"],
    );
    established(
        "#[handler] fn a(&mut self) -> Later<Result<u8>> { x }",
        &["spell the error type"],
    );
    established(
        "#[handler] fn a(&mut self) -> Result<Later<u8>, u8> { x }",
        &["write `Later<Result<T, E>>`"],
    );
    established("#[handler] fn a(&mut self) -> Later { x }", &["`Later<T>`"]);
}

#[test]
fn the_context_comes_first_and_fits_the_receiver() {
    established(
        "#[handler] fn a(&self, cx: &mut Cx<'_, Self>) {}",
        &["a `&self` handler only reads: take `&Cx<'_, Self>`"],
    );
    established(
        "#[handler] fn a(&self, cx: &PendingCx<'_>) {}",
        &["nothing is pending any more"],
    );
    established(
        "#[handler] fn a(&self, n: u8, cx: &Cx<'_, Self>) {}",
        &["the context is the first argument"],
    );
    established(
        "#[handler] fn a(&self, cx: Cx<'_, Self>) {}",
        &["lent, not given away: take `&mut Cx<'_, Self>`"],
    );
}

#[test]
fn who_closes_has_answered() {
    for later in ["Later<u8>", "Later<Result<u8, u8>>"] {
        established(
            &format!("#[handler] fn a(self) -> {later} {{ x }}"),
            &["answer later, then close: take `&mut self` and call `cx.close()`"],
        );
    }
}

#[test]
fn a_superseded_value_is_owed_nothing_and_ends_nothing() {
    for answer in ["u8", "()", "Result<u8, u8>"] {
        established(
            &format!("#[handler(currency)] fn a(&mut self) -> {answer} {{ x }}"),
            &["a value that is superseded is never answered"],
        );
    }
    established(
        "#[handler(currency)] fn a(self) {}",
        &["cannot end the dialog: take `&mut self`"],
    );
}

#[test]
fn continuations_are_named_once_and_answer_nobody() {
    established(
        "#[resume] fn a(self) {}",
        &["cannot consume the dialog", "`cx.close()`"],
    );
    established(
        "#[resume] fn a(&mut self) -> u8 { 0 }",
        &["return nothing", "`cx.reply(..)`"],
    );
    established(
        "#[resume] fn a(&mut self, answer: Answer<u8>, leg: Leg, more: u8) {}",
        &["put several into a tuple"],
    );
    established(
        "#[resume] fn a(&mut self, leg: Leg, more: u8) {}",
        &["put several into a tuple"],
    );
    established(
        "#[resume] fn paid(&mut self) {} #[resume] fn PAID(&mut self) {}",
        &["`paid` and this would both be continued as `Self::PAID`: rename one"],
    );
    established(
        "#[abandoned] fn a(self) {} #[abandoned] fn b(self) {}",
        &["keep one `#[abandoned]`"],
    );
    established(
        "#[abandoned] fn a(&mut self) {}",
        &["takes `self` by value"],
    );
    established(
        "#[abandoned] fn a(self, why: Abandoned, more: u8) {}",
        &["nothing else"],
    );
    established("#[abandoned] fn a(self) -> u8 { 0 }", &["return nothing"]);
}

#[test]
fn helper_attributes_stand_alone() {
    established(
        "#[handler] #[resume] fn a(&mut self) {}",
        &["keep one of its helper attributes"],
    );
    established(
        "#[handler(newest)] fn a(&mut self) {}",
        &["the one option", "`#[handler(currency)]`"],
    );
    established(
        "#[resume(currency)] fn a(&mut self) {}",
        &["the one option", "`#[handler(currency)]`"],
    );
    established(
        "#[effect] async fn charge(fx: Effect) {}",
        &["`#[effect]` belongs to a later step"],
    );
}
