//! A dialog test is stepped by its world, which runs futures itself.

use actor_core::{dialog_test, world::World};

#[dialog_test(seeds = 500)]
async fn it_sells(world: &mut World) {
    world.finish_all();
}

fn main() {}
