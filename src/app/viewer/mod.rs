//! `halolab view`: the log viewer alone, without a runtime and without a look at the machine.

pub mod hands;
