//! The table of the jobs' screen.

use super::{
    Intent, Key,
    tables::{BOTTOM, DOWNS, ENTER, ESC, PAGE_DOWN, PAGE_UP, TAB, TOP, UPS, c, key},
};

pub(super) const JOBS: &[Key] = &[
    key(
        &[ENTER],
        Intent::Enter,
        "log",
        "the job's log as it grows; q comes back",
    ),
    key(
        &[c('s')],
        Intent::Stop,
        "stop",
        "end the job; asks first, and its log is kept",
    ),
    key(
        &[c('r')],
        Intent::Delete,
        "remove ended",
        "forget the jobs that ended, with their logs; asks first",
    ),
    key(&[ESC, TAB], Intent::Back, "labs", "back to the labs"),
    UPS,
    DOWNS,
    PAGE_UP,
    PAGE_DOWN,
    TOP,
    BOTTOM,
];
