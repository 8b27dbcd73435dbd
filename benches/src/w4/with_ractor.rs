//! ractor's actors.

use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort, rpc::CallResult};

use super::Actors;
use crate::ours::{Account, MEMO_BYTES, Receipt};

pub(super) struct Ractor;

struct Keeper;

pub(super) enum Post {
    Ask(u64, [u8; MEMO_BYTES], RpcReplyPort<Receipt>),
    Tell(u64, [u8; MEMO_BYTES]),
}

impl Actor for Keeper {
    type Msg = Post;
    type State = Account;
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Post>, (): ()) -> Result<Account, ActorProcessingErr> {
        Ok(Account::default())
    }

    async fn handle(
        &self,
        _: ActorRef<Post>,
        post: Post,
        account: &mut Account,
    ) -> Result<(), ActorProcessingErr> {
        match post {
            Post::Ask(cents, memo, port) => port.send(account.enter(cents, memo))?,
            Post::Tell(cents, memo) => drop(account.enter(cents, memo)),
        }
        Ok(())
    }
}

impl Actors for Ractor {
    type Actor = ActorRef<Post>;

    async fn spawn(&self) -> Result<Self::Actor, String> {
        let spawned = Actor::spawn(None, Keeper, ()).await;
        spawned
            .map(|(actor, _)| actor)
            .map_err(|why| why.to_string())
    }

    async fn ask(&self, actor: &Self::Actor) -> Result<u64, String> {
        let asked = actor.call(|port| Post::Ask(1, [7; MEMO_BYTES], port), None);
        match asked.await {
            Ok(CallResult::Success(receipt)) => Ok(receipt.posting),
            Ok(_) => Err("no answer".to_owned()),
            Err(why) => Err(why.to_string()),
        }
    }

    async fn tell(&self, actor: &Self::Actor) -> Result<(), String> {
        let told = actor.cast(Post::Tell(1, [7; MEMO_BYTES]));
        told.map_err(|why| why.to_string())
    }
}
