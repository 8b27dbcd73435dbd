//! What a durable dialog promises, each promise a file, on nodes that a seed steps through crashes, losses and time.

mod apps;
mod article;
mod claims;
mod clock;
mod damage;
mod deadlines;
mod deaths;
mod duplex;
mod found;
mod gate;
mod held;
mod keyed;
mod knowledge;
mod letting_go;
mod market;
mod poison;
mod subcontract;
mod swarm;
mod tables;
mod timers;
mod worlds;
