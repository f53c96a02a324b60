//! The memory planner: what the GPU may have now, and with the chosen size, as bars over all of the memory.

use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr as _;

use crate::{app::Model, host::findings::Pool, log::clean};

use super::super::{
    widgets::{Lines, labelled, wrap},
    words::bytes,
};

const GIB: u64 = 1 << 30;

/// Columns of the words behind a bar, so that both end at the same place.
const SAYS: usize = 30;

fn pool(model: &Model) -> Option<&Pool> {
    model.host_view.machine.as_ref()?.pool.as_ref()
}

/// In a line: how the memory is shared now.
pub(super) fn short(model: &Model) -> String {
    let Some(pool) = pool(model) else {
        return String::new();
    };
    let default = if pool.is_default {
        ", the kernel's default"
    } else {
        ""
    };
    match pool.now {
        Some(now) => format!(
            "the GPU may have {} of {}{default}",
            bytes(now),
            bytes(pool.installed)
        ),
        None => format!("{} that the GPU may share", bytes(pool.installed)),
    }
}

pub(super) fn about(model: &Model, width: u16) -> Lines {
    let (look, styles) = (&model.look, model.look.styles());
    let Some(pool) = pool(model) else { return vec![] };
    let chosen = model.chosen_gib(pool);
    let mut lines = vec![];
    lines.extend(pool.now.map(|now| bar(model, pool, "Now", now, width)));
    lines.push(bar(model, pool, "Then", chosen * GIB, width));
    let glyphs = &look.glyphs;
    let suggested = match pool.start {
        Some(start) => format!("suggested {start}, "),
        None => String::new(),
    };
    let size = format!(
        "{} {chosen} GiB {}  {suggested}at most {} GiB here",
        glyphs.left, glyphs.right, pool.most
    );
    lines.extend(labelled(look, "Size", &size, styles.accent, width));
    let keys =
        "left and right change it by 4 GiB, - and + by 1; enter shows the change of the boot configuration";
    lines.extend(labelled(look, "", keys, styles.dim, width));
    let mut add = |label: &str, value: String| {
        lines.extend(labelled(look, label, &clean(&value), styles.text, width));
    };
    let default = if pool.is_default {
        "; nobody chose: the kernel gives half of the memory"
    } else {
        ""
    };
    let known = |size: Option<u64>| size.map_or_else(|| "unknown".to_owned(), bytes);
    add("ROCm", format!("can allocate {}{default}", known(pool.now)));
    add(
        "Firmware",
        format!(
            "{} carved out for the GPU (BIOS), lost for everything else",
            bytes(pool.carve_out)
        ),
    );
    add("GTT", format!("{} that graphics may map", known(pool.gtt)));
    let pages = pool
        .limit
        .map(|limit| format!("{} pages, {}", limit / 4096, bytes(limit)));
    add(
        "Limit",
        format!(
            "ttm.pages_limit {}; ROCm obeys this one",
            pages.unwrap_or_else(|| "unknown".into())
        ),
    );
    let left = (pool.installed / GIB).saturating_sub(chosen);
    let note = format!(
        "The GPU takes of its pool only what its programs use. While they use all {chosen} GiB, the rest of the system \
         has {left} GiB."
    );
    let line = Line::styled(format!(" {note}"), styles.dim);
    lines.extend(wrap(&line, width, 1));
    if let Some(source) = &pool.source {
        lines.extend(labelled(look, "Source", &clean(source), styles.dim, width));
    }
    lines
}

/// One bar: what the GPU may have of all memory.
fn bar(model: &Model, pool: &Pool, label: &str, gpu: u64, width: u16) -> Line<'static> {
    let (glyphs, styles) = (&model.look.glyphs, model.look.styles());
    let system = pool.installed.saturating_sub(gpu);
    let says = format!(" GPU {}, system {}", bytes(gpu), bytes(system));
    let head = format!(" {label:<5}");
    let room = usize::from(width).saturating_sub(head.width() + SAYS).max(4);
    let all = u128::from(pool.installed.max(1));
    let full = u128::from(gpu.min(pool.installed)) * u128::try_from(room).unwrap_or(0) / all;
    let full = usize::try_from(full).unwrap_or(room).min(room);
    Line::from(vec![
        Span::styled(head, styles.dim),
        Span::styled(glyphs.bar_full.repeat(full), styles.accent),
        Span::styled(glyphs.bar_empty.repeat(room - full), styles.dim),
        Span::styled(says, styles.text),
    ])
}
