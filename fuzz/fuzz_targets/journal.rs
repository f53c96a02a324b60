//! Journals, plans and receipts of any bytes: a line that was cut loses nothing but itself. Before the first zero byte is a
//! journal, behind it a plan.

#![no_main]

use std::path::Path;

use halolab::{
    plan::Plan,
    run::{Entry, journal, receipt::Receipt},
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut parts = bytes.splitn(2, |b| *b == 0);
    let (lines, plan) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let entries = journal::parse(lines);
    let mut resumed = lines.to_vec();
    resumed.extend(b"\n{\"v\":1,\"ts\":\"\",\"entry\":\"closed\",\"code\":0}\n");
    let after = journal::parse(&resumed);
    assert!(after.len() >= entries.len());
    assert_eq!(after.last(), Some(&Entry::Closed { code: 0 }), "what is added counts");
    if let Some(record) = journal::record_of(Path::new("/runs/20261122-101112345-ab12"), plan, lines) {
        let written = serde_json::to_vec(&record.plan).expect("a plan can be written");
        assert!(serde_json::from_slice::<Plan>(&written).is_ok(), "and read again");
        let _ = (record.plan.digest(), record.plan.destroys(), record.plan.seconds());
    }
    if let Ok(receipt) = serde_json::from_slice::<Receipt>(bytes) {
        serde_json::to_vec(&receipt).expect("a receipt can be written");
    }
});
