//! What the machine is made of.

use crate::{app::Model, host::words, log::clean};

use super::super::{
    widgets::{Lines, labelled, wrap},
    words::bytes,
};
use ratatui::text::Line;

/// In a line: processor and memory.
pub(super) fn short(model: &Model) -> String {
    match &model.host_view.machine {
        Some(found) => {
            let host = &found.report.machine.host;
            let name = host.cpu_name.as_deref().unwrap_or("unknown processor");
            format!("{}, {}", clean(name), bytes(host.memory()))
        }
        None => model.look.own("being looked at…"),
    }
}

pub(super) fn about(model: &Model, width: u16) -> Lines {
    let (look, styles) = (&model.look, model.look.styles());
    let Some(found) = &model.host_view.machine else {
        let text = look.own("This machine is being looked at; nothing is changed.");
        return wrap(&Line::styled(format!(" {text}"), styles.busy), width, 1);
    };
    let mut lines = vec![];
    for (label, text) in words::rows(&found.report.machine, &found.report.judgement, bytes) {
        lines.extend(labelled(look, label, &clean(&text), styles.text, width));
    }
    let known = format!("by the matrix of {}", found.report.matrix);
    lines.extend(labelled(look, "Judged", &clean(&known), styles.dim, width));
    lines
}
