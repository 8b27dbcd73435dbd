//! Liveness by reverse reachability: from every state in which there is hope, a fault-free path leads to the goal.
//!
//! `eventually` of stateright is unsound on cycles, and saying things again makes cycles everywhere. So the whole graph
//! is built, and walked backwards from the goals over actions that are no trouble.

use actor_core::protocol::{EndpointKey, Role};

use super::{
    explore::{Backwards, Explored},
    host::{Host, main_dialog},
    memory::Memory,
    model::{State, World, initiator_key},
    plan::{Goal, Place},
    report::Liveness,
};

/// Every goal of a model.
pub(super) fn check_goals(world: &World, found: &Explored, goals: &[Goal]) -> Vec<Liveness> {
    let check = |time_passes: bool| {
        let of_this_kind = |goal: &&Goal| goal.needs_time() == time_passes;
        let goals: Vec<Goal> = goals.iter().filter(of_this_kind).copied().collect();
        let backwards = (!goals.is_empty()).then(|| found.backwards(time_passes));
        let Some(backwards) = backwards else {
            return Vec::new();
        };
        let graph = Graph {
            world,
            found,
            backwards,
        };
        goals.into_iter().map(|goal| graph.check(goal)).collect()
    };
    [false, true].into_iter().flat_map(check).collect()
}

/// The graph of a model, to be walked backwards.
struct Graph<'a> {
    world: &'a World,
    found: &'a Explored,
    backwards: Backwards,
}

impl Graph<'_> {
    fn check(&self, goal: Goal) -> Liveness {
        let world = self.world;
        let verdict = match goal {
            Goal::Answered => {
                let initiators = world.plan().initiators.iter();
                let verdicts = initiators.map(|place| {
                    self.reach(
                        |state| has_hope(world, state, *place),
                        |state| is_answered(world, state, *place),
                    )
                });
                verdicts
                    .max_by_key(|verdict| verdict.stuck)
                    .expect("every plan has an initiator")
            }
            Goal::Settled => self.reach(|_| true, |state| is_settled(world, state)),
            Goal::Ended => self.reach(|_| true, |state| all_ended(world, state)),
            Goal::Forgotten => self.reach(|_| true, |state| all_forgotten(world, state)),
        };
        Liveness {
            goal: goal.text(),
            ..verdict
        }
    }

    fn reach(&self, hope: impl Fn(&State) -> bool, goal: impl Fn(&State) -> bool) -> Liveness {
        let states = &self.found.states;
        let mut reaches: Vec<bool> = states.iter().map(goal).collect();
        let mut todo: Vec<u32> = (0..states.len() as u32)
            .filter(|at| reaches[*at as usize])
            .collect();
        let goals = todo.len();
        while let Some(to) = todo.pop() {
            for from in self.backwards.before(to as usize) {
                if !std::mem::replace(&mut reaches[*from as usize], true) {
                    todo.push(*from);
                }
            }
        }
        let (mut hopeful, mut stuck, mut first) = (0, 0, None);
        for (at, state) in states.iter().enumerate() {
            if hope(state) {
                hopeful += 1;
                if !reaches[at] {
                    stuck += 1;
                    first = first.or(Some(at as u32));
                }
            }
        }
        Liveness {
            goal: "",
            hopeful,
            goals,
            stuck,
            story: first.map_or_else(Vec::new, |first| self.found.story(self.world, first)),
        }
    }
}

fn main_target() -> EndpointKey {
    EndpointKey {
        dialog: main_dialog(),
        role: Role::Target,
    }
}

/// Is the dialog unresolved, with a partner that lives or could begin?
fn has_hope(world: &World, state: &State, place: Place) -> bool {
    let Some(initiator) = world.host(state, place).live(initiator_key()) else {
        return false;
    };
    if initiator.has_ended() || world.all_hosts(state).any(|host| host.travelled) {
        return false;
    }
    let own = initiator.endpoint.token();
    let could = |host: &Host| match host.live(main_target()) {
        None => initiator.peer_token().is_none() && host.births < world.plan().births,
        Some(target) => {
            let chosen = initiator
                .peer_token()
                .is_none_or(|chosen| chosen == target.endpoint.token());
            !target.has_ended() && target.peer_token() == Some(own) && chosen
        }
    };
    let pool = world.plan().pool.iter();
    pool.map(|place| world.host(state, *place)).any(could)
}

/// Has everything been said, heard and answered, on both sides?
fn is_answered(world: &World, state: &State, place: Place) -> bool {
    let plan = world.plan();
    let Some(initiator) = durable(world.host(state, place), initiator_key()) else {
        return false;
    };
    let app = &initiator.app;
    if app.said.len() < plan.asks.into() || app.answers < plan.answers() {
        return false;
    }
    let own = initiator.endpoint.token();
    plan.pool
        .iter()
        .filter_map(|place| durable(world.host(state, *place), main_target()))
        .any(|target| {
            target.peer_token() == Some(own)
                && target.app.last_heard() == app.said.len() as u64
                && app.last_heard() == target.app.said.len() as u64
                && target.app.told == plan.tells
        })
}

fn durable(host: &Host, key: EndpointKey) -> Option<&Memory> {
    host.record(key)?.durable.as_ref()
}

fn all_ended(world: &World, state: &State) -> bool {
    world.all_hosts(state).all(|host| {
        let mut records = host.records.iter();
        host.open.is_none() && records.all(|record| record.live.has_ended())
    })
}

/// Is everything answered, or is everybody who was confirmed free again, as the initiators are?
fn is_settled(world: &World, state: &State) -> bool {
    let is_free = |memory: &Memory| {
        let waits = memory.endpoint.role() == Role::Initiator || memory.app.assured;
        !waits || memory.has_ended()
    };
    let mut hosts = world.all_hosts(state);
    let mut initiators = world.plan().initiators.iter();
    initiators.all(|place| is_answered(world, state, *place))
        || hosts.all(|host| host.records.iter().all(|record| is_free(&record.live)))
}

fn all_forgotten(world: &World, state: &State) -> bool {
    world
        .all_hosts(state)
        .all(|host| host.open.is_none() && host.records.is_empty())
}
