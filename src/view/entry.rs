//! A line that can be typed into: the text area of tui-textarea, held to one line and a bounded length.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use tui_textarea::TextArea;

/// Characters that one line takes; a paste of a megabyte is cut here.
const LONGEST: usize = 4096;

/// One line of input.
#[derive(Clone, Debug)]
pub struct Entry {
    area: TextArea<'static>,
}

impl Entry {
    /// A line with some text, and the cursor at its end.
    pub fn new(text: &str) -> Self {
        let mut area = TextArea::default();
        area.set_max_histories(50);
        let mut entry = Self { area };
        entry.paste(text);
        entry
    }

    /// The same, never shown.
    #[must_use]
    pub fn masked(mut self) -> Self {
        self.area.set_mask_char('*');
        self
    }

    /// What was typed.
    pub fn text(&self) -> &str {
        self.area.lines().first().map_or("", String::as_str)
    }

    /// Characters before the cursor.
    pub fn cursor(&self) -> usize {
        self.area.cursor().1
    }

    /// The widget behind it.
    pub fn area(&self) -> &TextArea<'static> {
        &self.area
    }

    /// Takes a key; says whether anything changed.
    pub fn key(&mut self, key: KeyEvent) -> bool {
        let breaks = matches!(key.code, KeyCode::Enter | KeyCode::Tab)
            || key.modifiers.contains(KeyModifiers::CONTROL)
                && matches!(key.code, KeyCode::Char('m' | 'j' | 'i'));
        let full = matches!(key.code, KeyCode::Char(_)) && self.text().chars().count() >= LONGEST;
        if breaks || full {
            return false;
        }
        if key.modifiers.contains(KeyModifiers::CONTROL) && key.code == KeyCode::Char('u') {
            // As in a shell; the widget would take the last change back.
            self.area.delete_line_by_head();
            return true;
        }
        self.area.input(key);
        true
    }

    /// Takes pasted text: its visible characters, line breaks as spaces.
    pub fn paste(&mut self, text: &str) {
        let room = LONGEST.saturating_sub(self.text().chars().count());
        // Far more than fits is not worth reading.
        let head: String = text.chars().take(room * 2).collect();
        let clean: String = crate::log::sanitize(head.trim_end_matches(['\r', '\n']))
            .chars()
            .take(room)
            .collect();
        self.area.insert_str(clean);
    }
}

impl Default for Entry {
    fn default() -> Self {
        Self::new("")
    }
}
