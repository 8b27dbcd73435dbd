//! Volatile dialogs of this library.

use std::{path::Path, sync::Arc};

use actor_core::{Remote, prelude::*};
use futures_util::FutureExt;

use super::Actors;
use crate::ours::{Account, MEMO_BYTES, Receipt};

/// The account, in memory.
#[derive(Default, Serialize, Deserialize)]
struct Session(Account);

#[dialog(timeout = "2 days", volatile)]
impl Session {
    #[handler]
    fn post(&mut self, cents: u64, memo: [u8; MEMO_BYTES]) -> Receipt {
        self.0.enter(cents, memo)
    }
}

/// A node that serves them.
pub(super) struct Dialogs(Arc<Node>);

impl Dialogs {
    pub(super) fn new(directory: &Path) -> Result<Self, String> {
        let node = Node::builder(directory.join("volatile")).serve::<Session>();
        let node = node.start().map_err(|why| why.to_string())?;
        Ok(Self(Arc::new(node)))
    }
}

impl Actors for Dialogs {
    type Actor = SessionClient<Remote>;

    async fn spawn(&self) -> Result<Self::Actor, String> {
        Ok(self.0.open::<Session>())
    }

    async fn ask(&self, actor: &Self::Actor) -> Result<u64, String> {
        let answer = actor.post(1, [7; MEMO_BYTES]).await;
        answer
            .map(|receipt| receipt.posting)
            .map_err(|why| why.to_string())
    }

    /// A request that was polled once is sent, and nobody waits for its answer.
    async fn tell(&self, actor: &Self::Actor) -> Result<(), String> {
        match actor.post(1, [7; MEMO_BYTES]).now_or_never() {
            None | Some(Ok(_)) => Ok(()),
            Some(Err(why)) => Err(why.to_string()),
        }
    }
}
