//! Who lives in a world: pools of instances, single nodes, the front; and the way to each of them.
//!
//! Owns their names and how they are built. Each is started at once.

use std::{rc::Rc, sync::Arc};

use actor_store::MemoryDisk;

use super::{
    Name, World,
    home::{Exposed, Home},
};
use crate::{Dialog, Node, NodeBuilder, Pending, Remote, View};

/// The node of plain callers, see [`World::front`].
const FRONT: &str = "front";
/// Instances of a pool, where nothing else is said: one is no pool.
const INSTANCES: usize = 2;
/// What a pool's instances are made of.
pub(super) struct Pool {
    service: String,
    build: Rc<dyn Fn(NodeBuilder) -> NodeBuilder>,
    instances: usize,
}

type Opening<D> = <<D as Dialog>::Pending as Pending>::Opening<Remote>;

impl World {
    /// A pool of two instances that serve the dialog `D`, named after it: `checkout-1` and `checkout-2`.
    /// [`World::instances`] says otherwise.
    pub fn serve<D: Dialog>(&mut self) -> &mut Self {
        self.serve_with::<D>(|builder| builder)
    }

    /// As [`World::serve`], with more to say of each instance: what it provides, what else it serves.
    pub fn serve_with<D: Dialog>(
        &mut self,
        build: impl Fn(NodeBuilder) -> NodeBuilder + 'static,
    ) -> &mut Self {
        let service = D::CONTRACT.name.to_lowercase();
        self.pool = Some(Pool {
            service,
            build: Rc::new(move |builder| build(builder.serve::<D>())),
            instances: 0,
        });
        self.instances(INSTANCES)
    }

    /// How many instances the pool has that was served last.
    ///
    /// # Panics
    ///
    /// If nothing was served yet.
    pub fn instances(&mut self, instances: usize) -> &mut Self {
        let mut pool = self
            .pool
            .take()
            .expect("`instances` follows the `serve` of a pool");
        // Two is the custom; who says one means one.
        while pool.instances > instances {
            self.remove_last(&format!("{}-{}", pool.service, pool.instances));
            pool.instances -= 1;
        }
        while pool.instances < instances {
            pool.instances += 1;
            let name = format!("{}-{}", pool.service, pool.instances);
            self.settle_in(&name, Exposed::Yes, Rc::clone(&pool.build));
        }
        self.pool = Some(pool);
        self
    }

    /// A new node with an empty store, started now and at every restart with what `build` says.
    pub fn node(&mut self, name: &str, build: impl Fn(NodeBuilder) -> NodeBuilder + 'static) {
        self.settle_in(name, Exposed::Yes, Rc::new(build));
    }

    /// A node whose store has a past: what lies on `disk`. The checkers excuse the dialogs that are in it.
    ///
    /// # Panics
    ///
    /// If the store cannot be opened.
    pub fn node_on(
        &mut self,
        name: &str,
        disk: MemoryDisk,
        build: impl Fn(NodeBuilder) -> NodeBuilder + 'static,
    ) {
        self.settle_on(name, Exposed::Yes, Rc::new(build), Some(disk));
        // Nobody here saw what was said before.
        let known = self
            .at(name)
            .dialogs()
            .expect("a store that opened is read");
        self.ledger
            .took_memory(known.into_iter().map(|dialog| dialog.id));
    }

    /// The node of plain callers, which serves nothing. It stands for the world outside: its frames are lost as
    /// anybody's, and its process and disk are spared what a seed draws. For a caller that dies and asks again, make a
    /// [`World::node`] and [`World::insist`].
    pub fn front(&mut self) -> Arc<Node> {
        if !self.index.contains_key(FRONT) {
            self.settle_in(FRONT, Exposed::NetworkOnly, Rc::new(|builder| builder));
        }
        self.at(FRONT)
    }

    fn settle_in(
        &mut self,
        name: &str,
        exposed: Exposed,
        build: Rc<dyn Fn(NodeBuilder) -> NodeBuilder>,
    ) {
        self.settle_on(name, exposed, build, None);
    }

    fn settle_on(
        &mut self,
        name: &str,
        exposed: Exposed,
        build: Rc<dyn Fn(NodeBuilder) -> NodeBuilder>,
        disk: Option<MemoryDisk>,
    ) {
        let index = self.homes.len();
        assert!(
            self.index.insert(name.to_owned(), index).is_none(),
            "there is a node `{name}` already"
        );
        let mut home = Home::new(Name::new(name), exposed, build);
        if let Some(disk) = disk {
            home.disk = disk;
        }
        self.homes.push(home);
        self.begin(index);
    }

    fn remove_last(&mut self, name: &str) {
        let last = self.homes.pop_if(|home| home.name == name);
        if let Some(mut home) = last {
            self.index.remove(&*home.name);
            self.wire.forget_node(&home.name);
            if let Some(life) = home.life.take() {
                life.die();
            }
        }
    }

    /// The node as an application holds it, in its present life.
    pub fn at(&self, name: &str) -> Arc<Node> {
        Arc::clone(&self.home(name).life().node)
    }

    /// [`Node::open`] on this node.
    pub fn open<D: Dialog>(&self, name: &str) -> Opening<D> {
        self.at(name).open::<D>()
    }

    /// [`Node::open_as`] on this node.
    pub fn open_as<D: Dialog>(&self, name: &str, key: &str) -> Opening<D> {
        self.at(name).open_as::<D>(key)
    }

    /// The node's application tables, all of it durable.
    ///
    /// # Panics
    ///
    /// If the node is down or its store fails.
    pub fn read(&mut self, name: &str) -> View {
        let node = self.at(name);
        match self.run(async move { node.read().await }) {
            Ok(view) => view,
            Err(cause) => panic!("`{name}` cannot be read: {cause}"),
        }
    }

    pub(super) fn home(&self, name: &str) -> &Home {
        &self.homes[self.index_of(name)]
    }

    pub(super) fn home_mut(&mut self, name: &str) -> &mut Home {
        let index = self.index_of(name);
        &mut self.homes[index]
    }

    pub(super) fn index_of(&self, name: &str) -> usize {
        let index = self.index.get(name);
        *index.unwrap_or_else(|| panic!("there is no node `{name}`"))
    }
}
