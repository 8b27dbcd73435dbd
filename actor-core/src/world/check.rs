//! Questions to a whole world after its story: is everything handled once, is nothing left open, do the books balance.

use std::collections::BTreeSet;

use super::{Name, World, clock::Moments};
use crate::{
    DialogInfo, Table,
    dialog::Durable,
    protocol::{DialogId, Role},
};
use actor_store::keys::TableKey;

/// What [`World::finish_all`] waits for the last retries and goodbyes.
const LAST_RETRIES_MS: u64 = 3_600_000;

impl World {
    /// Heals the world, starts every node that is down, brings every started future to its end, and lets an hour pass in
    /// which the last retries and goodbyes arrive. Afterwards nothing happens any more but deadlines of open dialogs.
    ///
    /// # Panics
    ///
    /// If a started future is not ready after all the [patience](World::patience).
    pub fn finish_all(&mut self) {
        self.heal();
        self.let_go();
        for index in 0..self.homes.len() {
            if self.homes[index].running().is_none() {
                if self.homes[index].life.is_some() {
                    self.die(index, actor_store::Crash::KeepAll);
                }
                self.begin(index);
            }
        }
        self.settle();
        let until = self.clock.now() + self.patience.as_millis() as u64;
        while self.tasks.left() > 0 && self.pass_one(until) {}
        assert!(
            self.tasks.left() == 0,
            "nothing can happen any more, and {} futures are not ready: {}",
            self.tasks.left(),
            self.standing()
        );
        let now = self.clock.now();
        self.swept.begin(now);
        self.pass(now + LAST_RETRIES_MS);
        self.swept.end();
    }

    /// Every message that a dialog took in was handled exactly once, on the one instance that its initiator is bound to;
    /// pending work of other instances came to nothing. Call it after [`World::finish_all`].
    ///
    /// That a message is never handled twice is watched at every commit anyway. Excused are messages of dialogs that were
    /// given up, that have a dead letter, or whose memory a test took away.
    ///
    /// # Panics
    ///
    /// If it is not so, with the dialog and the message.
    #[track_caller]
    pub fn check_exactly_once(&mut self) {
        let mut put_aside = BTreeSet::new();
        for name in self.up() {
            let letters = self.at(&name).dead_letters();
            put_aside.extend(letters.into_iter().flatten().map(|letter| letter.dialog));
        }
        if let Some(violation) = self.ledger.unhandled(&put_aside).first() {
            let violation = violation.clone();
            self.fail(&violation);
        }
    }

    /// The rows of an application table, over all nodes.
    ///
    /// # Panics
    ///
    /// If a node is down or cannot be read.
    #[track_caller]
    pub fn rows<K: TableKey, V: Durable>(&mut self, table: Table<K, V>) -> Vec<(Name, K, V)> {
        let mut rows = Vec::new();
        for name in self.nodes() {
            let view = self.read(&name);
            match view.range(table, ..) {
                Ok(found) => {
                    rows.extend(found.into_iter().map(|(key, row)| (name.clone(), key, row)));
                }
                Err(cause) => panic!("`{name}`: {cause}"),
            }
        }
        rows
    }

    /// The amounts of all rows of a table, over all nodes, add up to `total`: debits and credits to 0, captures to what
    /// was sold.
    ///
    /// # Panics
    ///
    /// If they do not, with the rows.
    #[track_caller]
    pub fn check_balanced<K: TableKey, V: Durable>(
        &mut self,
        table: Table<K, V>,
        total: i128,
        amount: impl Fn(&K, &V) -> i128,
    ) {
        let rows = self.rows(table);
        let amounts: Vec<(Name, i128)> = rows
            .iter()
            .map(|(node, key, row)| (node.clone(), amount(key, row)))
            .collect();
        let sum: i128 = amounts.iter().map(|(_, amount)| amount).sum();
        assert!(
            sum == total,
            "table `{}` adds up to {sum} and not to {total}: {amounts:?}",
            table.name()
        );
    }

    /// No node has a durable side of a dialog that is not over. Time must have passed: after [`World::finish_all`] those
    /// that were closed are over. One that is left to its deadline on purpose is given the time for it by the test, with
    /// [`World::advance`], before or after: what the silence of a partner or the age of a dialog ended within the hour of
    /// [`World::finish_all`] was left open.
    ///
    /// # Panics
    ///
    /// If there is one, with all of them.
    #[track_caller]
    pub fn check_no_dialog_left_open(&mut self) {
        let open = self.open_dialogs();
        self.focus.extend(open.iter().map(|(_, dialog)| dialog.id));
        let mut lines: Vec<String> = open
            .iter()
            .map(|(node, dialog)| {
                let DialogInfo {
                    role,
                    service,
                    stage,
                    ..
                } = dialog;
                format!("\n  {node}: `{service}` {}, {role:?}, {stage:?}", dialog.id)
            })
            .collect();
        let swept = self.swept.sides();
        self.focus.extend(swept.iter().map(|side| side.dialog));
        lines.extend(swept.iter().map(|side| {
            format!(
                "\n  {}: `{}` {}, {:?}, until a deadline ended it {} into the hour of `finish_all` ({:?})",
                side.node,
                side.service,
                side.dialog,
                side.role,
                Moments(side.after_ms),
                side.ending
            )
        }));
        assert!(
            lines.is_empty(),
            "{} sides of dialogs are open:{}",
            lines.len(),
            lines.concat()
        );
    }

    /// The durable sides of dialogs that are not over, by node.
    pub fn open_dialogs(&self) -> Vec<(Name, DialogInfo)> {
        let mut open = Vec::new();
        for name in self.up() {
            let dialogs = self.at(&name).dialogs().into_iter().flatten();
            let live = dialogs.filter(|dialog| dialog.ending.is_none());
            open.extend(live.map(|dialog| (name.clone(), dialog)));
        }
        open
    }

    /// How often the handler of this name was run to its end and made durable, over all nodes; pending work that came to
    /// nothing included.
    pub fn count(&self, handler: &str) -> u64 {
        self.ledger.count(handler)
    }

    /// How many dialogs were established, and how many of their messages were handled.
    pub fn totals(&self) -> (u64, u64) {
        self.ledger.totals()
    }

    /// The node that has the established target of a dialog.
    pub fn target_of(&self, dialog: DialogId) -> Option<Name> {
        let target = |name: &Name| {
            let dialogs = self.at(name).dialogs().into_iter().flatten();
            let mut known = dialogs.filter(|one| one.id == dialog && one.role == Role::Target);
            known.any(|one| one.stage != crate::Stage::Accumulating)
        };
        self.up().into_iter().find(target)
    }

    fn up(&self) -> Vec<Name> {
        let up = self.homes.iter().filter(|home| home.running().is_some());
        up.map(|home| home.name.clone()).collect()
    }
}
