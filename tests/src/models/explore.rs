//! All states of a model, breadth first, each once, and the edges between them.
//!
//! States are compared, not their fingerprints: two states are never taken for one. One model is explored by one
//! thread, so that the numbers of a run are the same in every run; several models are explored at the same time. (The
//! checker of stateright does the same, with fingerprints; `mod.rs` has a test that both find the same.)

use stateright::Model;

use super::{
    intern::hash_of,
    model::{Action, State, World},
    property::Safety,
};

/// No state.
const NONE: u32 = u32::MAX;
/// In an edge: it is taken as time passes, otherwise at any time.
const NEEDS_TIME: u32 = 1 << 31;

/// What was found.
#[derive(Debug)]
pub(super) struct Explored {
    /// In the order of their distance from the beginning.
    pub(super) states: Vec<State>,
    /// By which state each was reached first.
    parents: Vec<u32>,
    /// Where the edges of each state end in `edges`.
    ends: Vec<u32>,
    /// Where edges without trouble lead.
    edges: Vec<u32>,
    /// Transitions, of any kind.
    pub(super) generated: usize,
    /// Actions to the state farthest away.
    pub(super) depth: usize,
    /// Are these all states that there are?
    pub(super) is_whole: bool,
    /// The first state in which each property that does not hold is broken.
    pub(super) broken: Vec<(Safety, u32)>,
}

/// Are the edges kept?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Edges {
    Kept,
    Dropped,
}

/// Explores until there is nothing new, or more than this many states.
pub(super) fn explore(world: &World, most_states: usize, edges: Edges) -> Explored {
    let mut seen = Seen::new();
    let mut found = Explored {
        states: Vec::new(),
        parents: Vec::new(),
        ends: Vec::new(),
        edges: Vec::new(),
        generated: 0,
        depth: 0,
        is_whole: true,
        broken: Vec::new(),
    };
    for state in world.init_states() {
        found.enter(&mut seen, state, NONE);
    }
    let (mut at, mut level_end) = (0, found.states.len());
    let mut actions = Vec::new();
    while at < found.states.len() {
        if at == level_end {
            level_end = found.states.len();
            found.depth += 1;
        }
        if found.states.len() > most_states {
            found.is_whole = false;
            break;
        }
        let state = found.states[at];
        world.actions(&state, &mut actions);
        for action in actions.drain(..) {
            let Some(next) = world.next_state(&state, action) else {
                continue;
            };
            found.generated += 1;
            let to = found.enter(&mut seen, next, at as u32);
            if edges == Edges::Kept && !action.is_trouble() {
                let time = if action.is_deadline() { NEEDS_TIME } else { 0 };
                found.edges.push(to | time);
            }
        }
        found.ends.push(found.edges.len() as u32);
        at += 1;
    }
    found
}

impl Explored {
    fn enter(&mut self, seen: &mut Seen, state: State, parent: u32) -> u32 {
        let new = self.states.len() as u32;
        let number = seen.number(&state, new, |other| self.states[other as usize] == state);
        if number == new {
            self.states.push(state);
            self.parents.push(parent);
            if state.broken.any() {
                self.note(&state, new);
            }
        }
        number
    }

    fn note(&mut self, state: &State, number: u32) {
        for property in Safety::ALL {
            let is_known = self.broken.iter().any(|(known, _)| known == property);
            if state.broken.has(*property) && !is_known {
                self.broken.push((*property, number));
            }
        }
    }

    /// The edges turned round; those that need time only if it passes.
    pub(super) fn backwards(&self, time_passes: bool) -> Backwards {
        let is_free = |edge: &u32| time_passes || edge & NEEDS_TIME == 0;
        let mut firsts = vec![0_u32; self.states.len() + 1];
        for edge in self.edges.iter().filter(|edge| is_free(edge)) {
            firsts[(edge & !NEEDS_TIME) as usize] += 1;
        }
        let mut sum = 0;
        for first in &mut firsts {
            sum += *first;
            *first = sum;
        }
        // Each is filled from its end, so that its end becomes its first.
        let mut from = vec![0_u32; sum as usize];
        let mut begin = 0;
        for (at, end) in self.ends.iter().enumerate() {
            let edges = &self.edges[begin..*end as usize];
            for edge in edges.iter().filter(|edge| is_free(edge)) {
                let place = &mut firsts[(edge & !NEEDS_TIME) as usize];
                *place -= 1;
                from[*place as usize] = at as u32;
            }
            begin = *end as usize;
        }
        Backwards { firsts, from }
    }

    /// The actions to a state, as short as there are.
    pub(super) fn story(&self, world: &World, mut at: u32) -> Vec<String> {
        let mut story = Vec::new();
        loop {
            let parent = self.parents[at as usize];
            if parent == NONE {
                break;
            }
            let (before, after) = (&self.states[parent as usize], &self.states[at as usize]);
            let mut actions: Vec<Action> = Vec::new();
            world.actions(before, &mut actions);
            let leads_here = |action: &&Action| world.next_state(before, **action) == Some(*after);
            let action = actions.iter().find(leads_here);
            story.extend(action.map(|action| world.format_action(action)));
            at = parent;
        }
        story.reverse();
        story
    }
}

/// Edges by the state that they lead to.
#[derive(Debug)]
pub(super) struct Backwards {
    firsts: Vec<u32>,
    from: Vec<u32>,
}

impl Backwards {
    /// Where one comes from to this state.
    pub(super) fn before(&self, state: usize) -> &[u32] {
        &self.from[self.firsts[state] as usize..self.firsts[state + 1] as usize]
    }
}

/// The numbers of states by their hashes: half a hash and a number in each place, found by walking on from where the
/// hash says. The states themselves lie elsewhere, once.
#[derive(Debug)]
struct Seen {
    places: Vec<(u32, u32)>,
    taken: usize,
}

impl Seen {
    const FREE: (u32, u32) = (0, NONE);

    fn new() -> Self {
        Self {
            places: vec![Self::FREE; 1 << 12],
            taken: 0,
        }
    }

    /// The number of a state that was seen before, or this new one.
    fn number(&mut self, state: &State, new: u32, is_same: impl Fn(u32) -> bool) -> u32 {
        if self.taken * 4 > self.places.len() * 3 {
            self.grow();
        }
        let tag = (hash_of(state) >> 32) as u32;
        let mask = self.places.len() - 1;
        let mut at = tag as usize & mask;
        loop {
            match self.places[at] {
                (_, NONE) => {
                    self.places[at] = (tag, new);
                    self.taken += 1;
                    return new;
                }
                (other, number) if other == tag && is_same(number) => return number,
                _ => at = (at + 1) & mask,
            }
        }
    }

    fn grow(&mut self) {
        let larger = vec![Self::FREE; self.places.len() * 2];
        let mask = larger.len() - 1;
        for (tag, number) in std::mem::replace(&mut self.places, larger) {
            if number == NONE {
                continue;
            }
            let mut at = tag as usize & mask;
            while self.places[at] != Self::FREE {
                at = (at + 1) & mask;
            }
            self.places[at] = (tag, number);
        }
    }
}

#[cfg(test)]
mod tests {
    use stateright::Checker;

    use super::*;
    use crate::models::configs::{self, Size};

    #[test]
    fn all_states_and_edges_are_found_that_stateright_finds() {
        for plan in [configs::pool_pending, configs::pool_handshake] {
            let plan = plan(Size::Small);
            let found = explore(
                &World::new(plan.clone(), None, None),
                usize::MAX,
                Edges::Kept,
            );
            let other = World::new(plan, None, None).checker().spawn_bfs().join();
            assert_eq!(found.states.len(), other.unique_state_count());
            // The first state was generated as well.
            assert_eq!(found.generated + 1, other.state_count());
        }
    }

    #[test]
    fn a_model_that_is_left_says_so() {
        let world = World::new(configs::pool_pending(Size::Small), None, None);
        let found = explore(&world, 100, Edges::Dropped);
        assert!(!found.is_whole);
    }
}
