//! What a world says of itself, for a failed test.

use super::{
    FrameRecord, World,
    clock::{BEGIN_MS, Moments},
    diagram::Diagram,
    fault::Fault,
    fault::Faults,
};

/// Frames that [`World::state`] tells of.
const LAST_FRAMES: usize = 12;

impl World {
    /// Where everything stands, for a failed test.
    pub fn state(&self) -> String {
        let mut lines = vec![format!(
            "at {} ms after {} steps",
            self.clock.now(),
            self.steps
        )];
        for home in &self.homes {
            let name = &home.name;
            match &home.life {
                None => lines.push(format!("{name}: down")),
                Some(life) => {
                    lines.push(format!(
                        "{name}: {:?} {:?}",
                        life.shared.counters.read(),
                        self.failure(name)
                    ));
                    for dialog in life.node.dialogs().into_iter().flatten() {
                        lines.push(format!("    {dialog:?}"));
                    }
                }
            }
        }
        let frames = self.frames();
        let last = frames.len().saturating_sub(LAST_FRAMES);
        lines.extend(frames[last..].iter().map(|frame| format!("{frame:?}")));
        lines.join("\n")
    }

    /// Who is up and which dialogs are open, in a few lines; and the diagram, where no report will show it.
    pub(super) fn standing(&self) -> String {
        let passed = self.clock.now().saturating_sub(BEGIN_MS);
        let mut lines = vec![format!("after {}", Moments(passed))];
        for home in &self.homes {
            let is_up = home.running().is_some();
            lines.push(format!(
                "  {}: {}",
                home.name,
                if is_up { "up" } else { "down" }
            ));
        }
        for (node, dialog) in self.open_dialogs() {
            lines.push(format!(
                "  {node}: `{}` {}, {:?}, {:?}, {} to be answered here, {} there",
                dialog.service,
                dialog.id,
                dialog.role,
                dialog.stage,
                dialog.owed,
                dialog.unanswered
            ));
        }
        if self.weather.is_none() {
            lines.push(format!("\n{}", self.diagram()));
        }
        lines.push("`world.state()` has every detail".to_owned());
        lines.join("\n")
    }

    /// The kinds of the frames from one node to another, and what became of them, for a story.
    pub fn story(&self) -> Vec<String> {
        let line = |record: &FrameRecord| {
            format!(
                "{} -> {}: {} ({:?})",
                record.from,
                record.to,
                record.frame.summary(),
                record.fate
            )
        };
        self.frames().iter().map(line).collect()
    }

    /// The sequence diagram of this run: the dialogs in which something strange happened, or the last ones, with frames,
    /// handlers, commits, crashes and time. Calm repetition is left out.
    ///
    /// ```text
    /// -------->  a frame arrives   ---x  it is lost      ---~  it leaves, and arrives later
    ///    *       a handler runs     =    it is durable
    ///    X       a crash            ^    starts again     :    down
    ///    !       the dialog is given up here, and why
    /// ```
    pub fn diagram(&self) -> String {
        let frames = self.frames();
        let name_of = |handler| self.handler_name(handler);
        Diagram::new(&self.trace, &frames, &self.focus, &name_of).to_string()
    }

    /// What the seed has done so far, in words, and how often.
    pub fn faults(&self) -> Vec<(String, u64)> {
        let struck = |weather: &mut super::weather::Weather| {
            let struck = weather.struck();
            struck.map(|(what, n)| (what.to_owned(), n)).collect()
        };
        self.weather(struck).unwrap_or_default()
    }

    /// The kinds of faults that happen under this seed.
    pub(super) fn climate(&self) -> Faults {
        let may = |weather: &mut super::weather::Weather| {
            let all = Fault::ALL.iter().copied();
            all.filter(|fault| weather.may(*fault)).collect()
        };
        self.weather(may).unwrap_or(Faults::NONE)
    }

    pub(super) fn drawn_so_far(&self) -> u64 {
        self.weather(|weather| weather.drawn()).unwrap_or(0)
    }

    fn handler_name(&self, handler: u32) -> &'static str {
        let lives = self.homes.iter().filter_map(|home| home.life.as_ref());
        let services = lives.flat_map(|life| life.shared.registry.all());
        let mut names = services.map(|service| service.handler_name(handler));
        names.find(|name| *name != "?").unwrap_or("?")
    }
}
