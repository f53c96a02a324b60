//! How far a build is, beside its log: what failed on top, then what is in work, then what waits and what is done as
//! one row each until somebody opens it.
//!
//! ```text
//! ╭ spack ──────────────── 5-9 min left ╮
//! │ 21 of 38, 1 failed  ━━━━━━━━──────  │
//! │ ✖ lab-bad 1.0          failed  0:12 │
//! │▸▶ lab-maple 1.0.6   build 45%  1:23 │
//! │ – 2 skipped                         │
//! │ · 14 waiting                        │
//! │ ✔ 21 done                           │
//! │ ProcessError: Command exited with … │
//! ╰─────────────────────────────────────╯
//! ```

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::Style,
    text::{Line, Span, Text},
    widgets::{Block, BorderType, Borders, Widget as _},
};
use unicode_width::UnicodeWidthStr as _;

use crate::progress::{Estimate, Millis, Package, State, Target, Tree};

mod place;

pub use place::split;

use super::{
    look::Look,
    widgets::Listing,
    words::{clock, column, fit},
};

/// Fewer columns show no bar.
const BAR: usize = 8;
/// Columns that a name has at least.
const NAME: usize = 10;

/// Packages that are one row while it is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Group {
    /// Not begun because another one failed.
    Skipped,
    /// Their turn has not come.
    Waiting,
    /// Installed, out of a cache, there before, or the system's.
    Done,
}

impl Group {
    fn of(state: State) -> Option<Self> {
        match state {
            State::Skipped => Some(Self::Skipped),
            State::Waiting => Some(Self::Waiting),
            State::Installed | State::Cached | State::Present | State::External => Some(Self::Done),
            State::Failed | State::Interrupted | State::Fetching | State::Building | State::Installing => {
                None
            }
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Skipped => "skipped",
            Self::Waiting => "waiting",
            Self::Done => "done",
        }
    }
}

/// What a row is: the caller asks it what enter means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Row {
    /// A package, by its place in [`Tree::packages`]: its offsets lead to its lines.
    Package(usize),
    /// What could not be made and is no package, by its place in [`Tree::targets`].
    Target(usize),
    /// A group, which enter opens and closes.
    Group(Group),
}

/// Where the pane stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// The row under the cursor.
    pub cursor: usize,
    /// The groups that are open.
    pub open: Vec<Group>,
}

impl Position {
    /// Moves the cursor, and stays within the rows.
    pub fn step(&mut self, tree: &Tree, by: isize) {
        let last = rows(tree, &self.open).len().saturating_sub(1);
        self.cursor = self.cursor.min(last).saturating_add_signed(by).min(last);
    }

    /// Opens or closes a group.
    pub fn toggle(&mut self, group: Group) {
        if self.open.contains(&group) {
            self.open.retain(|open| *open != group);
        } else {
            self.open.push(group);
        }
    }

    /// Keeps the cursor on its row where the build went on; a package that is one of a closed group now, on the group.
    /// On the first row it stays there.
    pub fn follow(&mut self, before: &Tree, now: &Tree) {
        let Some(row) = self.row(before).filter(|_| self.cursor > 0) else {
            return;
        };
        let rows = rows(now, &self.open);
        let at = |wanted: Row| rows.iter().position(|row| *row == wanted);
        let group = || match row {
            Row::Package(at) => Group::of(now.packages().get(at)?.state),
            Row::Target(_) | Row::Group(_) => None,
        };
        let found = at(row).or_else(|| at(Row::Group(group()?)));
        self.cursor = found.unwrap_or(self.cursor);
    }

    /// The row under the cursor.
    pub fn row(&self, tree: &Tree) -> Option<Row> {
        let rows = rows(tree, &self.open);
        let last = rows.len().saturating_sub(1);
        rows.get(self.cursor.min(last)).copied()
    }
}

/// A build, as it is drawn.
#[derive(Clone, Copy, Debug)]
pub struct ProgressPane<'a> {
    /// The build.
    pub tree: &'a Tree,
    /// Where the pane stands.
    pub position: &'a Position,
    /// What is left.
    pub left: Option<Estimate>,
    /// Since when nothing was written, where nobody knows whether it still runs.
    pub silent: Option<&'a str>,
    /// Now, or the time of the last line of a build that is over.
    pub now: Option<Millis>,
    /// The pane has the keys.
    pub focus: bool,
}

/// The rows in their order: failed, interrupted, in work, then the groups.
pub fn rows(tree: &Tree, open: &[Group]) -> Vec<Row> {
    let packages = tree.packages();
    let all = |wanted: &dyn Fn(State) -> bool| {
        let fits = |(_, p): &(usize, &Package)| wanted(p.state) && tree.is_current(p);
        let found = packages.iter().enumerate().filter(fits);
        found.map(|(at, _)| Row::Package(at)).collect::<Vec<_>>()
    };
    let mut rows: Vec<_> = (0..tree.targets().len()).map(Row::Target).collect();
    rows.extend(all(&|state| state == State::Failed));
    rows.extend(all(&|state| state == State::Interrupted));
    rows.extend(all(&State::is_active));
    for group in [Group::Skipped, Group::Waiting, Group::Done] {
        let members = all(&|state| Group::of(state) == Some(group));
        if members.is_empty() {
            continue;
        }
        rows.push(Row::Group(group));
        if open.contains(&group) {
            rows.extend(members);
        }
    }
    rows
}

/// The row at a line of the screen, for the mouse.
pub fn row_at(look: &Look, pane: ProgressPane<'_>, area: Rect, y: u16) -> Option<usize> {
    let list = pane.parts(block(look, pane).inner(area)).list;
    pane.listing(look, list.width).row_at(list, y)
}

/// Draws the pane.
pub fn view(look: &Look, pane: ProgressPane<'_>, page: &mut Buffer, area: Rect) {
    if area.height < place::FRAMED {
        return pane.one_line(look, area.width.into()).render(area, page);
    }
    let block = block(look, pane);
    let inside = block.inner(area);
    block.render(area, page);
    let parts = pane.parts(inside);
    let header = pane.header(look, parts.head.width.into());
    header.render(parts.head, page);
    if rows(pane.tree, &[]).is_empty() {
        let text = fit(pane.doing(), parts.list.width.into(), look.glyphs.more);
        return Line::styled(text, look.styles().dim).render(parts.list, page);
    }
    let listing = pane.listing(look, parts.list.width);
    listing.draw_in_box(look, page, parts.list, inside);
    let width = usize::from(parts.foot.width);
    let foot = [pane.detail(look, width), pane.own_log(look, width)];
    Text::from_iter(foot).render(parts.foot, page);
}

fn block(look: &Look, pane: ProgressPane<'_>) -> Block<'static> {
    let styles = look.styles();
    let block = Block::new()
        .borders(Borders::ALL)
        .border_type(BorderType::Rounded)
        .border_set(look.border())
        .border_style(if pane.focus { styles.focus } else { styles.border })
        .title(Line::styled(format!(" {} ", pane.tool()), styles.title));
    match pane.standing(look) {
        Some((text, style)) => block.title(Line::styled(format!(" {text} "), style).right_aligned()),
        None => block,
    }
}

impl ProgressPane<'_> {
    fn tool(&self) -> &'static str {
        self.tree.tool().map_or("progress", crate::progress::Tool::name)
    }

    /// What the tool does, where it has no packages.
    fn doing(&self) -> &str {
        let section = self.tree.sections().last();
        let doing = section.map_or("", |section| section.doing.as_str());
        if doing.is_empty() {
            "no progress known yet"
        } else {
            doing
        }
    }

    /// How it ended, else what is left, else that it says nothing any more.
    fn standing(&self, look: &Look) -> Option<(String, Style)> {
        let styles = look.styles();
        let phase = self.tree.phase();
        match (phase, self.left, self.silent) {
            ("failed" | "interrupted", ..) => Some((phase.into(), styles.error)),
            ("done", ..) => Some((phase.into(), styles.ok)),
            (_, Some(left), _) => Some((format!("{} left", left.text()), styles.accent)),
            ("running", None, Some(since)) => Some((format!("silent since {since}"), styles.warn)),
            ("running", None, None) => Some(("time left unknown".into(), styles.dim)),
            _ => None,
        }
    }

    /// All of it, where there is no room for more.
    fn one_line(&self, look: &Look, width: usize) -> Line<'static> {
        let styles = look.styles();
        let Some((standing, style)) = self.standing(look) else {
            return Line::styled(fit(self.doing(), width, look.glyphs.more), styles.dim);
        };
        let counts = self.tree.counts();
        let count = match counts.total {
            Some(total) => format!(" {}/{total}", counts.done),
            None => String::new(),
        };
        let text = format!("{}{count} {standing}", self.tool());
        let style = if self.focus { styles.focus } else { style };
        Line::styled(fit(&text, width, look.glyphs.more), style)
    }

    fn has_header(&self) -> bool {
        self.tree.tool().is_some() || self.tree.counts().total.is_some()
    }

    fn header(&self, look: &Look, width: usize) -> Line<'static> {
        let (styles, counts) = (look.styles(), self.tree.counts());
        if !self.has_header() {
            return Line::default();
        }
        let mut spans = vec![Span::styled(
            match counts.total {
                Some(total) => format!("{} of {total}", counts.done),
                None => format!("{} done", counts.done),
            },
            styles.text,
        )];
        let failed = usize::try_from(counts.failed).unwrap_or(0) + self.tree.targets().len();
        if failed > 0 {
            spans.push(Span::styled(format!(", {failed} failed"), styles.error));
        }
        let used: usize = spans.iter().map(|span| span.content.width()).sum();
        let room = width.saturating_sub(used + 2);
        if let (Some(total), true) = (counts.total.filter(|total| *total > 0), room >= BAR) {
            let share = |count: u32| {
                let cells = u64::try_from(room).unwrap_or(0) * u64::from(count) / u64::from(total);
                usize::try_from(cells).unwrap_or(room).min(room)
            };
            let full = share(counts.done);
            let style = if failed > 0 { styles.warn } else { styles.ok };
            spans.push(Span::raw("  "));
            spans.push(Span::styled(look.glyphs.bar_full.repeat(full), style));
            spans.push(Span::styled(
                look.glyphs.bar_empty.repeat(room - full),
                styles.dim,
            ));
        }
        Line::from(spans)
    }

    fn listing(&self, look: &Look, width: u16) -> Listing {
        let rows = rows(self.tree, &self.position.open);
        let cursor = self.position.cursor.min(rows.len().saturating_sub(1));
        // Two columns are the cursor's.
        let width = usize::from(width).saturating_sub(2);
        let line = |row: &Row| match row {
            Row::Package(at) => self
                .tree
                .packages()
                .get(*at)
                .map(|p| self.package(look, p, width)),
            Row::Target(at) => self.tree.targets().get(*at).map(|t| target(look, t, width)),
            Row::Group(group) => Some(self.group(look, *group)),
        };
        let lines = rows.iter().enumerate();
        Listing {
            lines: lines
                .filter_map(|(at, row)| Some((Some(at), line(row)?)))
                .collect(),
            cursor,
            others: None,
        }
    }

    fn group(&self, look: &Look, group: Group) -> Line<'static> {
        let fits = |p: &&Package| Group::of(p.state) == Some(group) && self.tree.is_current(p);
        let count = self.tree.packages().iter().filter(fits).count();
        let (glyph, style) = match group {
            Group::Skipped => (look.glyphs.skipped, look.styles().warn),
            Group::Waiting => (look.glyphs.waiting, look.styles().dim),
            Group::Done => (look.glyphs.ok, look.styles().ok),
        };
        Line::from(vec![
            Span::styled(format!("{glyph} "), style),
            Span::styled(format!("{count} {}", group.word()), style),
        ])
    }

    fn package(&self, look: &Look, package: &Package, width: usize) -> Line<'static> {
        let (glyph, style) = glyph(look, package.state);
        let mut word = match package.phase() {
            Some(phase) if package.state.is_active() => phase.to_owned(),
            _ => package.state.word().to_owned(),
        };
        if let Some(inside) = package.inside {
            word = format!("{word} {}%", inside.percent());
        }
        let seconds = package.seconds(self.now).map(crate::progress::whole_seconds);
        let time = seconds.map_or_else(String::new, clock);
        let room = width.saturating_sub(2);
        let time_room = if room >= NAME + word.width() + time.width() + 4 && !time.is_empty() {
            time.width().max(5) + 2
        } else {
            0
        };
        let word_room = word.width().min(room.saturating_sub(NAME + time_room + 1));
        let name_room = room.saturating_sub(word_room + 1 + time_room);
        let more = look.glyphs.more;
        let mut spans = vec![
            Span::styled(format!("{glyph} "), style),
            Span::styled(column(&package.title(), name_room, more), look.styles().text),
            Span::styled(format!(" {}", fit(&word, word_room, more)), style),
        ];
        if time_room > 0 {
            spans.push(Span::styled(format!("{time:>time_room$}"), look.styles().dim));
        }
        Line::from(spans)
    }

    /// Where the log is that a failed package has of its own, where something else is said of it first.
    fn own_log(&self, look: &Look, width: usize) -> Line<'static> {
        let Some(Row::Package(at)) = self.position.row(self.tree) else {
            return Line::default();
        };
        let package = self
            .tree
            .packages()
            .get(at)
            .filter(|package| place::has_two(package));
        let path = package
            .and_then(|package| package.log.as_deref())
            .unwrap_or_default();
        let (more, room) = (look.glyphs.more, width.saturating_sub(look.glyphs.more.width()));
        let text = if path.width() <= width {
            path.to_owned()
        } else {
            // Its end tells which one it is.
            let seen = crate::log::page::window_of(path, path.width().saturating_sub(room), room);
            format!("{more}{}", path.get(seen).unwrap_or_default())
        };
        Line::styled(text, look.styles().dim)
    }

    /// Why the package under the cursor is as it is.
    fn detail(&self, look: &Look, width: usize) -> Line<'static> {
        let styles = look.styles();
        let package = match self.position.row(self.tree) {
            Some(Row::Target(at)) => {
                let target = self.tree.targets().get(at);
                let error = target.and_then(|target| target.error.as_deref());
                let text = fit(error.unwrap_or_default(), width, look.glyphs.more);
                return Line::styled(text, styles.error);
            }
            Some(Row::Package(at)) => self.tree.packages().get(at),
            _ => None,
        };
        let Some(package) = package else {
            return Line::default();
        };
        let (text, style) = match (package.state, package.errors.first(), &package.reason) {
            (State::Failed, Some(error), _) => (error.text.clone(), styles.error),
            (State::Failed, None, Some(reason)) => (reason.clone(), styles.error),
            (State::Skipped, _, Some(cause)) if package.tool == crate::progress::Tool::Spack => {
                (format!("because {cause} failed"), styles.warn)
            }
            (_, _, Some(reason)) => (reason.clone(), styles.warn),
            _ => match &package.log {
                Some(log) => (log.clone(), styles.dim),
                None => return Line::default(),
            },
        };
        Line::styled(fit(&text, width, look.glyphs.more), style)
    }
}

fn target(look: &Look, target: &Target, width: usize) -> Line<'static> {
    let word = State::Failed.word();
    let room = width.saturating_sub(3 + word.len());
    Line::from(vec![
        Span::styled(format!("{} ", look.glyphs.failed), look.styles().error),
        Span::styled(column(&target.name, room, look.glyphs.more), look.styles().text),
        Span::styled(format!(" {word}"), look.styles().error),
    ])
}

fn glyph(look: &Look, state: State) -> (&'static str, Style) {
    let (glyphs, styles) = (&look.glyphs, look.styles());
    match state {
        State::Waiting => (glyphs.waiting, styles.dim),
        State::Fetching | State::Building | State::Installing => (glyphs.busy, styles.busy),
        State::Installed | State::Cached => (glyphs.ok, styles.ok),
        State::Present | State::External => (glyphs.ok, styles.dim),
        State::Failed => (glyphs.failed, styles.error),
        State::Skipped => (glyphs.skipped, styles.warn),
        State::Interrupted => (glyphs.unfinished, styles.warn),
    }
}
