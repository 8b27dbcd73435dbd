//! kameo's actors, with the mailbox that they have if nothing is said.

use kameo::{
    Actor,
    actor::{ActorRef, Spawn},
    message::{Context, Message},
};

use super::Actors;
use crate::ours::{Account, MEMO_BYTES};

pub(super) struct Kameo;

#[derive(Actor, Default)]
pub(super) struct Keeper(Account);

struct Post(u64, [u8; MEMO_BYTES]);

#[derive(kameo::Reply)]
struct Posted(crate::ours::Receipt);

impl Message<Post> for Keeper {
    type Reply = Posted;

    async fn handle(&mut self, post: Post, _: &mut Context<Self, Posted>) -> Posted {
        Posted(self.0.enter(post.0, post.1))
    }
}

impl Actors for Kameo {
    type Actor = ActorRef<Keeper>;

    async fn spawn(&self) -> Result<Self::Actor, String> {
        Ok(Keeper::spawn(Keeper::default()))
    }

    async fn ask(&self, actor: &Self::Actor) -> Result<u64, String> {
        let answer = actor.ask(Post(1, [7; MEMO_BYTES])).await;
        answer
            .map(|posted| posted.0.posting)
            .map_err(|why| why.to_string())
    }

    async fn tell(&self, actor: &Self::Actor) -> Result<(), String> {
        let told = actor.tell(Post(1, [7; MEMO_BYTES])).await;
        told.map_err(|why| why.to_string())
    }
}
