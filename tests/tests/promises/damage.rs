//! A record that cannot be read: its dialog ends on both sides, and nobody else's.

use actor_core::{
    NodeBuilder, Role,
    prelude::*,
    world::{Record, World},
};

const ENDS: Table<u128, String> = Table::new("ends");

#[derive(Default, Serialize, Deserialize)]
struct Tally {
    count: u64,
    signed: String,
}

#[dialog(timeout = "2 days", tables(ENDS))]
impl Tally {
    #[handler]
    fn up(&mut self) -> u64 {
        self.count += 1;
        self.count
    }
    #[handler]
    fn sign(&mut self, text: String) {
        self.signed = text;
    }
    #[abandoned]
    fn abandoned(self, cx: &mut Cx<'_, Self>, why: Abandoned) {
        let row = cx.id();
        cx.table(ENDS).insert(&row, &why.to_string());
    }
}

fn worlds() -> [(World, &'static str, &'static str); 2] {
    let mut one = World::calm();
    one.node("only", NodeBuilder::serve::<Tally>);
    let mut two = World::calm();
    two.node("target", NodeBuilder::serve::<Tally>);
    two.node("caller", |builder| builder);
    [(one, "only", "only"), (two, "caller", "target")]
}

/// Two dialogs that have said something; the id of the first.
fn begin(world: &mut World, caller: &str) -> actor_core::DialogId {
    for key in ["a", "b"] {
        let tally = world.open_as::<Tally>(caller, key);
        assert_eq!(world.run(tally.up()).unwrap(), 1);
    }
    world.advance(Duration::from_secs(120));
    world.open_as::<Tally>(caller, "a").dialog().id()
}

/// The other dialog goes on, and both nodes stand.
fn others_go_on(world: &mut World, caller: &str, target: &str) {
    let other = world.open_as::<Tally>(caller, "b");
    let before = world.run(other.up()).unwrap();
    assert_eq!(world.run(other.up()).unwrap(), before + 1);
    assert!(world.is_up(caller) && world.is_up(target));
}

fn ends(world: &mut World, node: &str) -> Vec<String> {
    let rows = world.read(node).range(ENDS, ..).unwrap();
    rows.into_iter().map(|(_, why)| why).collect()
}

#[test]
fn a_damaged_state_ends_its_dialog_and_the_partner_hears_why() {
    for (mut world, caller, target) in worlds() {
        let dialog = begin(&mut world, caller);
        assert_eq!(world.garble(target, dialog, Record::State), 1);
        let why = world
            .run(world.open_as::<Tally>(caller, "a").up())
            .unwrap_err();
        assert!(
            matches!(
                &why,
                CallError::Abandoned { why: Abandoned::PartnerDamaged(what), in_doubt: true }
                    if what.contains("table `actors`")
            ),
            "{why:?}"
        );
        others_go_on(&mut world, caller, target);
    }
}

#[test]
fn a_flipped_bit_in_a_stored_state_ends_its_dialog_and_no_other() {
    const MARK: &str = "a text that is nowhere else in the file";
    for (mut world, caller, target) in worlds() {
        begin(&mut world, caller);
        let tally = world.open_as::<Tally>(caller, "a");
        world.run(tally.sign(MARK.to_owned())).unwrap();
        world.advance(Duration::from_secs(300));
        world.crash(target);
        let disk = world.disk(target);
        let image = disk.image("dialogs.redb");
        let places: Vec<usize> = (0..image.len() - MARK.len())
            .filter(|at| image[*at..].starts_with(MARK.as_bytes()))
            .collect();
        assert!(!places.is_empty(), "it was folded");
        for at in places {
            disk.corrupt("dialogs.redb", at, |bytes| bytes[0] ^= 1);
        }
        world.restart(target);
        let why = world
            .run(world.open_as::<Tally>(caller, "a").up())
            .unwrap_err();
        assert!(
            matches!(
                &why,
                CallError::Abandoned { why: Abandoned::PartnerDamaged(what), .. }
                    if what.contains("checksum")
            ),
            "{why:?}"
        );
        others_go_on(&mut world, caller, target);
    }
}

#[test]
fn a_damaged_target_ends_its_dialog_on_both_sides() {
    for (mut world, caller, target) in worlds() {
        let dialog = begin(&mut world, caller);
        assert_eq!(
            world.garble(target, dialog, Record::Endpoint(Role::Target)),
            1
        );
        let tally = world.open_as::<Tally>(caller, "a");
        let why = world.run(tally.up()).unwrap_err();
        let known = matches!(
            &why,
            CallError::Abandoned {
                why: Abandoned::PartnerAmnesia | Abandoned::PartnerDamaged(_),
                in_doubt: true
            }
        );
        assert!(known, "{why:?}");
        others_go_on(&mut world, caller, target);
        world.advance(Duration::from_secs(5 * 86_400));
        let ends = ends(&mut world, target);
        assert!(
            ends.iter().any(|why| why.contains("is damaged")),
            "{ends:?}"
        );
    }
}

#[test]
fn a_damaged_initiator_is_reported_for_ever_and_its_key_opens_nothing_else() {
    for (mut world, caller, target) in worlds() {
        let dialog = begin(&mut world, caller);
        let what = Record::Endpoint(Role::Initiator);
        let before = world.at(caller).dialogs().unwrap().len();
        assert_eq!(world.garble(caller, dialog, what), 1);
        let after = world.at(caller).dialogs().unwrap().len();
        assert_eq!(after, before - 1, "the others are listed");
        for _ in 0..2 {
            let why = world
                .run(world.open_as::<Tally>(caller, "a").up())
                .unwrap_err();
            assert!(
                matches!(
                    &why,
                    CallError::Abandoned {
                        why: Abandoned::Damaged(_),
                        in_doubt: true
                    }
                ),
                "{why:?}"
            );
            assert_eq!(world.open_as::<Tally>(caller, "a").dialog().id(), dialog);
            world.restart(caller);
        }
        others_go_on(&mut world, caller, target);
        world.advance(Duration::from_secs(5 * 86_400));
        assert!(!ends(&mut world, target).is_empty(), "the target hears too");
    }
}
