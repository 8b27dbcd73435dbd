//! The service Foo: it notes lines down, and carries them out on the one instance that the customer is bound to.
//!
//! Its log escapes the transaction on purpose, to show what ran where.

use std::sync::{Arc, Mutex, PoisonError};

use actor_core::prelude::*;

/// What was really done, by the number of the order.
pub const DONE: Table<u32, Vec<String>> = Table::new("done");

/// Lines for a later look.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<String>>>);

/// The instance a handler runs on. Its log escapes the transaction, as every log does; here that is the point.
pub struct Instance {
    /// Its name.
    pub name: &'static str,
    /// Where it says what it does.
    pub log: Log,
}

/// Messages 1, 2 and 3: noted down, and nothing else.
#[derive(Default, Serialize, Deserialize)]
pub struct Notes {
    order: u32,
    lines: Vec<String>,
}

#[dialog(pending, timeout = "1m", uses(Instance))]
impl Notes {
    /// Notes a line down.
    #[handler]
    pub fn note(&mut self, cx: &PendingCx<'_>, order: u32, line: String) {
        cx.get::<Instance>().says(&format!("notes `{line}`"));
        self.order = order;
        self.lines.push(line);
    }

    /// Reads the notes back.
    #[handler]
    pub fn read_back(&self, cx: &PendingCx<'_>) -> Vec<String> {
        cx.get::<Instance>()
            .says(&format!("answers {:?}", self.lines));
        self.lines.clone()
    }

    #[establish]
    fn establish(self, cx: &mut Cx<'_, Foo>) -> Foo {
        cx.get::<Instance>()
            .says("is the one: its notes are carried out");
        cx.table(DONE).insert(&self.order, &self.lines);
        Foo
    }
}

/// The customer talks to this instance now, and to no other.
#[derive(Serialize, Deserialize)]
pub struct Foo;

#[dialog(pending = Notes, timeout = "1h", uses(Instance), tables(DONE))]
impl Foo {
    /// Which instance this is.
    #[handler]
    pub fn who(&self, cx: &Cx<'_, Self>) -> String {
        cx.get::<Instance>().name.to_owned()
    }
}

impl Instance {
    fn says(&self, what: &str) {
        self.log.add(format!("{} {what}", self.name));
    }
}

impl Log {
    /// One more line.
    pub fn add(&self, line: String) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(line);
    }

    /// Begins anew.
    pub fn clear(&self) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }

    /// Does the first line begin with this?
    pub fn begins_with(&self, word: &str) -> bool {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.first().is_some_and(|line| line.starts_with(word))
    }

    /// All lines, under a heading.
    pub fn print(&self, heading: &str) {
        println!("{heading}");
        for line in &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            println!("  {line}");
        }
    }
}
