//! A task that owns its state and reads a channel: the least that an actor can be.

use tokio::sync::{mpsc, oneshot};

use super::Actors;
use crate::ours::{Account, MEMO_BYTES, Receipt};

pub(super) struct Tokio;

pub(super) struct Post {
    cents: u64,
    memo: [u8; MEMO_BYTES],
    answer: Option<oneshot::Sender<Receipt>>,
}

impl Post {
    fn new(answer: Option<oneshot::Sender<Receipt>>) -> Self {
        Self {
            cents: 1,
            memo: [7; MEMO_BYTES],
            answer,
        }
    }
}

impl Actors for Tokio {
    type Actor = mpsc::UnboundedSender<Post>;

    async fn spawn(&self) -> Result<Self::Actor, String> {
        let (actor, mut posts) = mpsc::unbounded_channel::<Post>();
        tokio::spawn(async move {
            let mut account = Account::default();
            while let Some(post) = posts.recv().await {
                let receipt = account.enter(post.cents, post.memo);
                if let Some(answer) = post.answer {
                    // Whoever asked may have gone.
                    let _ = answer.send(receipt);
                }
            }
        });
        Ok(actor)
    }

    async fn ask(&self, actor: &Self::Actor) -> Result<u64, String> {
        let (answer, waiting) = oneshot::channel();
        actor
            .send(Post::new(Some(answer)))
            .map_err(|why| why.to_string())?;
        let receipt = waiting.await.map_err(|why| why.to_string())?;
        Ok(receipt.posting)
    }

    async fn tell(&self, actor: &Self::Actor) -> Result<(), String> {
        actor.send(Post::new(None)).map_err(|why| why.to_string())
    }
}
