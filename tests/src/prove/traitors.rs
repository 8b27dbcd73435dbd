//! Whole nodes that are wrong in one way, each in a scene in which that shows.
//!
//! Owns the scenes. Each is played by nodes as they are as well, and must then find nothing.

use std::panic::{AssertUnwindSafe, catch_unwind};

use actor_core::Abandoned;
use actor_core::prelude::*;
use actor_core::protocol::{FrameKind, Mutant};
use actor_core::world::World;

use super::mutants::Found;
use super::nodes;
use super::shop::{Account, AccountClient, BOOKED};

/// Mutants that any world of chance notices sooner or later.
const BY_CHANCE: [Mutant; 3] = [Mutant::Rebind, Mutant::VolatileBinding, Mutant::ApplyInInit];
/// Worlds of chance in which a mutant without a scene must be noticed.
const SEEDS: u64 = 100;
/// A message that fails so often is put aside before.
const FOR_EVER: u32 = 99;
/// What a scene finds wrong.
type Seen = Result<(), String>;

/// What shows that nodes are wrong in this way.
pub(super) fn refute(mutant: Mutant) -> Found {
    if let Some(scene) = scene_of(mutant) {
        return play(scene, Some(mutant)).err().into();
    }
    if !BY_CHANCE.contains(&mutant) {
        return Found::NotHere("nodes have no scene for it");
    }
    let found = (0..SEEDS).find_map(|seed| {
        let why = nodes::live_or_say_why(seed, Some(mutant)).err()?;
        Some(format!("seed {seed}: {why}"))
    });
    found.into()
}

/// What the scenes wrongly find in nodes as they are.
pub(super) fn false_alarms() -> Vec<String> {
    let scenes = Mutant::ALL
        .into_iter()
        .filter_map(|mutant| Some((mutant, scene_of(mutant)?)));
    scenes
        .filter_map(|(mutant, scene)| {
            let why = play(scene, None).err()?;
            Some(format!("the scene of {mutant:?} without it: {why}"))
        })
        .collect()
}

fn scene_of(mutant: Mutant) -> Option<fn(Option<Mutant>) -> Seen> {
    Some(match mutant {
        Mutant::SkipPoison => nothing_is_handled_after_what_fails,
        Mutant::VolatileAttemptCount => what_kills_is_put_aside,
        Mutant::ExpireAtBoot => what_was_said_meanwhile_is_heard,
        Mutant::SendBeforeCommit | Mutant::AckBeforeCommit | Mutant::AckVisibleToApp => small_talk,
        Mutant::StaticToken => a_twin_is_another,
        Mutant::AmnesiaAccept => amnesia_is_told,
        Mutant::TombstonelessCleanup => a_late_question_hears_the_reason,
        _ => return None,
    })
}

/// What a watcher of the world complains of counts as found.
fn play(scene: fn(Option<Mutant>) -> Seen, mutant: Option<Mutant>) -> Seen {
    catch_unwind(AssertUnwindSafe(|| scene(mutant)))
        .unwrap_or_else(|cause| Err(crate::gnomes::words(cause.as_ref())))
}

fn pair(mutant: Option<Mutant>) -> World {
    let wrong = move |builder: actor_core::NodeBuilder| match mutant {
        Some(mutant) => builder.mutant(mutant),
        None => builder,
    };
    let mut world = World::calm().supervised();
    world.node("bank", move |builder| wrong(builder.serve::<Account>()));
    world.node("front", wrong);
    world
}

fn account(world: &World) -> AccountClient {
    world.open_as::<Account>("front", "account")
}

fn expect<T: PartialEq + std::fmt::Debug>(what: &str, is: T, should: T) -> Seen {
    if is == should {
        return Ok(());
    }
    Err(format!("{what}: {is:?} and not {should:?}"))
}

fn small_talk(mutant: Option<Mutant>) -> Seen {
    let mut world = pair(mutant);
    expect("nothing yet", world.run(account(&world).total()), Ok(0))?;
    let note = account(&world).note(0);
    world.run(async move { note.await.is_ok() });
    for step in 1..4 {
        let booked = world.run(account(&world).book("she".to_owned(), 1, 0));
        expect("the sum", booked, Ok(step))?;
    }
    expect("the goodbye", world.run(account(&world).close()), Ok(3))?;
    world.finish_all();
    world.check_exactly_once();
    Ok(())
}

fn nothing_is_handled_after_what_fails(mutant: Option<Mutant>) -> Seen {
    let mut world = pair(mutant);
    expect("nothing yet", world.run(account(&world).total()), Ok(0))?;
    let fails = account(&world).book("she".to_owned(), 1, FOR_EVER);
    let _fails = world.start(fails);
    let behind = world.start(account(&world).book("she".to_owned(), 2, 0));
    match world.finish(&behind) {
        Ok(total) => Err(format!(
            "what came behind a message that fails was handled: {total}"
        )),
        Err(_) => Ok(()),
    }
}

fn what_kills_is_put_aside(mutant: Option<Mutant>) -> Seen {
    let mut world = pair(mutant);
    expect("nothing yet", world.run(account(&world).total()), Ok(0))?;
    if super::scenes::kills_until_it_is_put_aside(&mut world, "account") {
        return Ok(());
    }
    Err("a message kills its process for ever".to_owned())
}

fn what_was_said_meanwhile_is_heard(mutant: Option<Mutant>) -> Seen {
    const DAY: Duration = Duration::from_secs(86_400);
    let mut world = pair(mutant);
    expect("nothing yet", world.run(account(&world).total()), Ok(0))?;
    world.crash("bank");
    world.advance(2 * DAY);
    let late = world.start(account(&world).total());
    world.advance(DAY);
    world.restart("bank");
    let heard = world.finish(&late);
    expect("what was said while it was down", heard, Ok(0))
}

fn a_twin_is_another(mutant: Option<Mutant>) -> Seen {
    let mut world = pair(mutant);
    // It books, and nobody hears of it.
    world.lose(u32::MAX, |record| {
        record.from == "bank" && record.frame.kind != FrameKind::SynAck
    });
    let booked = world.start(account(&world).book("she".to_owned(), 1, 0));
    world.advance(Duration::from_secs(1));
    let mut frames = world.frames().into_iter();
    let opening = frames.find(|record| record.from == "front");
    let opening = opening.ok_or("nothing was sent")?;
    world.wipe("bank");
    world.replay(&opening);
    world.heal();
    world.advance(Duration::from_secs(60));
    let rows = world.read("bank").range(BOOKED, ..);
    match rows.map(|rows| rows.len()) {
        Ok(0) => expect(
            "of one replaced",
            why(world.finish(&booked)),
            Some(Abandoned::PartnerReplaced),
        ),
        rows => Err(format!(
            "an evil twin took over the dialog, and booked once more: {rows:?}"
        )),
    }
}

fn amnesia_is_told(mutant: Option<Mutant>) -> Seen {
    let mut world = pair(mutant);
    let booked = world.run(account(&world).book("she".to_owned(), 1, 0));
    expect("the sum", booked, Ok(1))?;
    world.advance(Duration::from_secs(60));
    world.forget("bank");
    let again = world.run(account(&world).book("she".to_owned(), 1, 0));
    expect(
        "of one who forgot",
        why(again),
        Some(Abandoned::PartnerAmnesia),
    )
}

fn a_late_question_hears_the_reason(mutant: Option<Mutant>) -> Seen {
    let mut world = pair(mutant);
    expect("nothing yet", world.run(account(&world).total()), Ok(0))?;
    // It is told once, and that is lost; whoever asks again hears it again.
    world.lose(1, |record| {
        record.from == "bank" && matches!(record.frame.kind, FrameKind::Fault { .. })
    });
    let fails = account(&world).book("she".to_owned(), 1, FOR_EVER);
    let fails = world.start(fails);
    match why(world.finish(&fails)) {
        Some(Abandoned::PartnerPoisoned(_)) => Ok(()),
        other => Err(format!(
            "the reason that its partner had is not what was heard: {other:?}"
        )),
    }
}

fn why(answer: Answer<u64>) -> Option<Abandoned> {
    match answer {
        Err(CallError::Abandoned { why, .. }) => Some(why),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_node_is_noticed_in_its_scene_and_a_right_one_is_not() {
        assert_eq!(false_alarms(), Vec::<String>::new());
        for mutant in Mutant::ALL {
            if scene_of(mutant).is_some() {
                let found = refute(mutant);
                assert!(matches!(found, Found::Refuted(_)), "{mutant:?}: {found:?}");
            }
        }
    }
}
