//! What is told about things that were done outside.

use super::{
    status::thousands,
    viewer::{Save, Viewer},
};

impl Viewer {
    /// A save ended; one that was refused because the file is there is asked about.
    pub fn take_saved(&mut self, save: &Save, result: Result<u64, (String, bool)>) {
        match result {
            Ok(bytes) => {
                let path = crate::log::sanitize(&save.path);
                self.message = Some(format!("{} bytes are in {path}", thousands(bytes)));
                if let Some(pane) = self.pane_mut()
                    && pane.select.is_some()
                {
                    pane.end_selection();
                }
            }
            Err((_, true)) => self.ask_to_overwrite(save),
            Err((why, false)) => self.message = Some(format!("not saved: {why}")),
        }
    }

    /// Lines were put on the clipboard.
    pub fn take_copied(&mut self, text: &str, cut: bool) {
        let count = text.lines().count() as u64;
        let lines = thousands(count);
        let lines = if count == 1 {
            "1 line".to_owned()
        } else {
            format!("{lines} lines")
        };
        self.message = Some(if cut {
            format!("the first {lines} went to the terminal's clipboard, which takes no more; s saves all")
        } else {
            format!("{lines} went to the terminal's clipboard (in tmux: `set -g set-clipboard on`)")
        });
    }
}
