//! Logs that were rotated away under whoever reads them.

use super::Serving;
use crate::log::Document;

/// So many are kept.
const FORMER: usize = 8;

impl Serving {
    /// A log whose name another file has now is one more log; of many the oldest gives way.
    pub(super) fn keep(&mut self, log: Document) {
        let name = log.name().to_owned();
        let given = self.given;
        if self.logs.len() < given + FORMER {
            self.logs.push(log);
            self.viewer.names.push(name);
            return;
        }
        let at = given + self.kept % FORMER;
        self.kept += 1;
        if let (Some(old), Some(called)) = (self.logs.get_mut(at), self.viewer.names.get_mut(at)) {
            (*old, *called) = (log, name);
            self.viewer.spoil_log(at);
        }
    }
}
