//! The build beside the log of a run, as the screens know it: what was found out off the loop, and where the pane
//! stands.

use std::collections::BTreeMap;

use crate::{
    progress::{Millis, Tool},
    ui::progress_pane::{Position, ProgressPane, Row},
};

use super::{build::Known, keys::Intent};

/// Rows that a turn of a page moves.
const PAGE: isize = 10;

/// The builds of a run, one a lab, and the pane that shows one of them.
#[derive(Clone, Debug, Default)]
pub struct BuildView {
    /// The pane is on the screen.
    pub shown: bool,
    /// It has the keys.
    pub focus: bool,
    /// It appeared by itself once, or the user has said whether it is to be there.
    decided: bool,
    labs: BTreeMap<String, (Known, Position)>,
}

impl BuildView {
    /// Takes in what is known of the build of a lab.
    pub fn take(&mut self, lab: String, known: Known) {
        let (before, position) = self.labs.entry(lab).or_default();
        position.follow(&before.tree, &known.tree);
        *before = known;
    }

    /// Shows the pane and gives it the keys, or hides it.
    pub fn toggle(&mut self) {
        self.shown = !self.shown;
        (self.focus, self.decided) = (self.shown, true);
    }

    /// Shows the pane by itself, once and never over what the user chose, where a lab builds packages that are known;
    /// the log keeps the keys. Whether it did.
    pub fn offer(&mut self, lab: &str) -> bool {
        let builds = self.labs.get(lab).is_some_and(|(known, _)| {
            let packages = known.tree.packages().iter();
            known.tree.tool() == Some(Tool::Spack) && packages.filter(|p| p.state.is_active()).count() > 0
        });
        let offers = builds && !self.decided;
        if offers {
            (self.shown, self.decided) = (true, true);
        }
        offers
    }

    /// The pane on the build of a lab; `now` while its run goes on. None where nothing is known yet.
    pub fn pane(&self, lab: &str, now: Option<Millis>) -> Option<ProgressPane<'_>> {
        let (known, position) = self.labs.get(lab)?;
        let over = known.tree.is_over();
        Some(ProgressPane {
            tree: &known.tree,
            position,
            left: known.left,
            silent: known.silent.as_deref(),
            // Between two tellings the clock goes on.
            now: known
                .now
                .map(|then| now.filter(|_| !over).unwrap_or(then).max(then)),
            focus: self.focus,
        })
    }

    /// Puts the cursor on a row, and gives the pane the keys.
    pub fn select(&mut self, lab: &str, row: usize) {
        self.focus = true;
        if let Some((_, position)) = self.labs.get_mut(lab) {
            position.cursor = row;
        }
    }

    /// A key of the pane; the place in the log that it leads to, where it does.
    pub fn update(&mut self, lab: &str, intent: Intent) -> Option<u64> {
        let (known, position) = self.labs.get_mut(lab)?;
        let tree = &known.tree;
        match intent {
            Intent::Up => position.step(tree, -1),
            Intent::Down => position.step(tree, 1),
            Intent::PageUp => position.step(tree, -PAGE),
            Intent::PageDown => position.step(tree, PAGE),
            Intent::Top => position.cursor = 0,
            Intent::Bottom => position.step(tree, isize::MAX),
            Intent::Enter => match position.row(tree)? {
                Row::Group(group) => position.toggle(group),
                Row::Package(at) => return tree.packages().get(at)?.offset,
                Row::Target(at) => return tree.targets().get(at).map(|target| target.offset),
            },
            _ => {}
        }
        None
    }
}
