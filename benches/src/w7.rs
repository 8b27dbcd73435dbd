//! W7: does it stay as fast as it grows? W2 on stores with more and more dormant dialogs.

use crate::{
    args::Args,
    ours, prepared,
    prepared::Prepared,
    rounds::{Contender, Sum, alternate, column},
    table::{Goal, Table, Wanted},
    w2,
};

pub(crate) const GOALS: &[Wanted] = &[(
    "W7 throughput at 5 M against 10 k dormant dialogs",
    Goal::AtLeast {
        reach: 0.5,
        stretch: 0.9,
    },
)];

/// Slices of a round, each of which takes about half a second.
const SLICES: usize = 4;

pub(crate) fn run(args: &Args, prepared: &Prepared, table: &mut Table) -> Result<(), String> {
    let sizes: &[u64] = if args.quick {
        &[10_000, 50_000, 250_000]
    } else {
        &[10_000, 100_000, 1_000_000, 5_000_000]
    };
    let runtime = ours::runtime()?;
    let nodes = sizes.iter().map(|size| {
        let directory = prepared.store(*size)?;
        ours::start(prepared::builder(&directory))
    });
    let nodes: Vec<_> = nodes.collect::<Result<_, String>>()?;
    let messages = args.scaled(100);
    let runtime = &runtime;
    let mut contenders: Vec<Contender<'_>> = sizes
        .iter()
        .zip(&nodes)
        .map(|(size, node)| {
            Contender::new(format!("beside {size} dormant dialogs"), move || {
                w2::rate(runtime, node, messages, true)
            })
        })
        .collect();
    let outcomes = alternate(args.rounds, SLICES, Sum::Rates, &mut contenders);
    let figures = column(&outcomes, 0);
    table.figures("W7 W2 pipelined, as it grows", "msgs/s", &figures);
    let (first, last) = (&figures[0], &figures[figures.len() - 1]);
    if args.quick {
        table.missing(GOALS[0], "--quick has only 250,000");
        let wanted = (
            "W7 throughput at 250 k against 10 k dormant dialogs",
            Goal::Reported,
        );
        table.ratio(wanted, last, Some(first));
    } else {
        table.ratio(GOALS[0], last, Some(first));
    }
    Ok(())
}
