//! Liveness by reverse reachability: from every state in which there is hope, a fault-free path leads to the goal.
//!
//! `eventually` of stateright is unsound on cycles, and saying things again makes cycles everywhere. So the whole graph
//! is built, and walked backwards from the goals over actions that are no trouble.

use std::collections::HashMap;

use actor_core::protocol::{EndpointKey, Role};
use stateright::Model;

use super::{
    host::{Host, main_dialog},
    memory::Memory,
    model::{Action, State, World, initiator_key},
    plan::{Goal, Place},
};

/// The graph of a model.
pub(super) struct Graph {
    states: Vec<State>,
    /// Edges backwards, by the state they lead to: where they come from, and what they need.
    into: Vec<(u32, u32, Need)>,
    /// By which action each state was reached first, for a story.
    reached: Vec<Option<(u32, Action)>>,
}

/// What an edge needs to be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    Nothing,
    Time,
    Trouble,
}

impl Need {
    fn of(action: Action) -> Self {
        if action.is_trouble() {
            Self::Trouble
        } else if action.is_deadline() {
            Self::Time
        } else {
            Self::Nothing
        }
    }
}

/// The verdict about one goal.
#[derive(Debug)]
pub(super) struct Verdict {
    /// States in which there is hope.
    pub(super) hopeful: usize,
    /// States that are goals.
    pub(super) goals: usize,
    /// Hopeful states from which no fault-free path leads to a goal.
    pub(super) stuck: usize,
    /// How the first of these was reached.
    pub(super) story: Vec<String>,
}

impl Graph {
    /// All states, breadth first; `None` if there are more than this many.
    pub(super) fn explore(world: &World, most: usize) -> Option<Self> {
        let mut numbers = HashMap::new();
        let mut graph = Self {
            states: Vec::new(),
            into: Vec::new(),
            reached: Vec::new(),
        };
        for state in world.init_states() {
            numbers.insert(state.clone(), graph.states.len() as u32);
            graph.states.push(state);
            graph.reached.push(None);
        }
        let mut at = 0;
        let mut actions = Vec::new();
        while at < graph.states.len() {
            let state = graph.states[at].clone();
            world.actions(&state, &mut actions);
            for action in actions.drain(..) {
                let Some(next) = world.next_state(&state, action) else {
                    continue;
                };
                let new = graph.states.len() as u32;
                let to = *numbers.entry(next.clone()).or_insert(new);
                if to == new {
                    graph.states.push(next);
                    graph.reached.push(Some((at as u32, action)));
                }
                graph.into.push((to, at as u32, Need::of(action)));
            }
            at += 1;
            if graph.states.len() > most {
                return None;
            }
        }
        graph
            .into
            .sort_unstable_by_key(|(to, from, _)| (*to, *from));
        Some(graph)
    }

    pub(super) fn len(&self) -> usize {
        self.states.len()
    }

    pub(super) fn check(&self, world: &World, goal: Goal) -> Verdict {
        match goal {
            Goal::Answered => {
                let initiators = world.plan().initiators.iter();
                let verdicts = initiators.map(|place| {
                    self.reach(
                        world,
                        |state| has_hope(world, state, *place),
                        |state| is_answered(world, state, *place),
                        false,
                    )
                });
                verdicts
                    .max_by_key(|verdict| verdict.stuck)
                    .expect("every plan has an initiator")
            }
            Goal::Ended => self.reach(world, |_| true, |state| all_ended(world, state), true),
            Goal::Forgotten => {
                self.reach(world, |_| true, |state| all_forgotten(world, state), true)
            }
        }
    }

    fn reach(
        &self,
        world: &World,
        hope: impl Fn(&State) -> bool,
        goal: impl Fn(&State) -> bool,
        time_passes: bool,
    ) -> Verdict {
        let mut first_into = vec![0_usize; self.states.len() + 1];
        for (to, _, _) in &self.into {
            first_into[*to as usize + 1] += 1;
        }
        for at in 1..first_into.len() {
            first_into[at] += first_into[at - 1];
        }
        let mut reaches: Vec<bool> = self.states.iter().map(&goal).collect();
        let goals = reaches.iter().filter(|is_goal| **is_goal).count();
        let mut todo: Vec<usize> = (0..reaches.len()).filter(|at| reaches[*at]).collect();
        while let Some(to) = todo.pop() {
            for (_, from, need) in &self.into[first_into[to]..first_into[to + 1]] {
                let free = *need == Need::Nothing || (time_passes && *need == Need::Time);
                if free && !reaches[*from as usize] {
                    reaches[*from as usize] = true;
                    todo.push(*from as usize);
                }
            }
        }
        let hopeful: Vec<usize> = (0..self.states.len())
            .filter(|at| hope(&self.states[*at]))
            .collect();
        let stuck: Vec<usize> = hopeful.iter().copied().filter(|at| !reaches[*at]).collect();
        Verdict {
            hopeful: hopeful.len(),
            goals,
            story: stuck
                .first()
                .map_or_else(Vec::new, |first| self.story(world, *first)),
            stuck: stuck.len(),
        }
    }

    fn story(&self, world: &World, mut at: usize) -> Vec<String> {
        let mut story = Vec::new();
        while let Some((from, action)) = &self.reached[at] {
            story.push(world.format_action(action));
            at = *from as usize;
        }
        story.reverse();
        story
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

fn all_forgotten(world: &World, state: &State) -> bool {
    world
        .all_hosts(state)
        .all(|host| host.open.is_none() && host.records.is_empty())
}
