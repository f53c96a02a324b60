//! What differs, as lines of text. Names come from inside labs: each line is sanitised.

use crate::stage::size::human;

use super::{Change, Difference, FileChange, Item};

/// Longest value of a setting that is shown, in characters.
const LONGEST: usize = 60;

/// The lines that tell a difference; at most this many files.
pub fn text(difference: &Difference, most_files: usize) -> Vec<String> {
    let now = "now".to_owned();
    let to = difference.to.as_ref().unwrap_or(&now);
    let mut lines = vec![format!(
        "{}: from {} to {to} (+ is new since then, - is gone, ~ is another one)",
        difference.lab, difference.from
    )];
    let groups = [
        ("Packages", &difference.packages),
        ("Settings", &difference.config),
        ("Devices", &difference.devices),
    ];
    for (title, items) in groups {
        if !items.is_empty() {
            lines.push(String::new());
            lines.push(format!("{title} ({}):", items.len()));
            lines.extend(items.iter().map(item));
        }
    }
    if let Some(count) = &difference.count {
        lines.push(String::new());
        let all = count.added + count.removed + count.changed;
        lines.push(format!(
            "Files and folders: {} new, {} gone, {} changed",
            count.added, count.removed, count.changed
        ));
        lines.extend(difference.files.iter().take(most_files).map(file));
        let more = all.saturating_sub(difference.files.len().min(most_files));
        if more > 0 {
            lines.push(format!("  and {more} more"));
        }
    }
    lines.push(String::new());
    lines.extend(difference.notes.iter().map(|note| format!("Note: {note}.")));
    lines.iter().map(|line| crate::log::sanitize(line)).collect()
}

fn sign(change: Change) -> char {
    match change {
        Change::Added => '+',
        Change::Removed => '-',
        Change::Changed => '~',
    }
}

fn item(item: &Item) -> String {
    let values = match (&item.before, &item.after) {
        (Some(before), Some(after)) => format!("{} -> {}", cut(before), cut(after)),
        (Some(one), None) | (None, Some(one)) => cut(one),
        (None, None) => String::new(),
    };
    let kind = match item.kind {
        "config" | "devices" => String::new(),
        kind => format!("{kind} "),
    };
    format!("  {} {kind}{} {values}", sign(item.change), item.name)
}

fn cut(text: &str) -> String {
    let mut shown: String = text.chars().take(LONGEST).collect();
    if shown.len() < text.len() {
        shown.push_str("...");
    }
    shown.replace('\n', " ")
}

fn file(file: &FileChange) -> String {
    if file.path.ends_with('/') {
        return format!("  {} {}", sign(file.change), file.path);
    }
    let size = match (file.before, file.after) {
        (Some(before), Some(after)) if before != after => format!("{} -> {}", human(before), human(after)),
        (Some(size), _) | (None, Some(size)) => human(size),
        (None, None) => String::new(),
    };
    format!("  {} {} ({size})", sign(file.change), file.path)
}
