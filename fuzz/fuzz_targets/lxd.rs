//! Answers of a daemon: any bytes are read as each kind of answer without a panic.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| halolab::backend::lxd::read_any(bytes));
