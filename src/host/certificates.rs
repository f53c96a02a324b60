//! Which certificate authorities someone added to this machine, on top of the distribution's own list.

use std::{collections::BTreeSet, fs, path::Path};

/// Folders for authorities that an administrator adds, by distribution family.
const ADDED: &[&str] = &[
    "usr/local/share/ca-certificates",
    "etc/ca-certificates/trust-source/anchors",
    "etc/pki/ca-trust/source/anchors",
    "etc/pki/trust/anchors",
];
/// The distribution's own list on Debian.
const SHIPPED: &str = "usr/share/ca-certificates";
/// What programs read on Debian: the own list and the added ones.
const BUNDLE: &str = "etc/ssl/certs/ca-certificates.crt";

/// The added authorities under a root, as PEM blocks. Files that cannot be read are left out.
pub fn added(root: &Path) -> Vec<String> {
    let mut found: BTreeSet<String> = ADDED.iter().flat_map(|f| folder(&root.join(f))).collect();
    let shipped: BTreeSet<String> = folder(&root.join(SHIPPED)).collect();
    if !shipped.is_empty() {
        // Some tools write straight into the bundle.
        let bundle = fs::read_to_string(root.join(BUNDLE)).unwrap_or_default();
        found.extend(blocks(&bundle).into_iter().filter(|b| !shipped.contains(b)));
    }
    found.into_iter().collect()
}

fn folder(path: &Path) -> impl Iterator<Item = String> + use<> {
    let entries: Vec<_> = fs::read_dir(path).into_iter().flatten().flatten().collect();
    entries.into_iter().flat_map(|entry| {
        let path = entry.path();
        if path.is_dir() {
            return folder(&path).collect::<Vec<_>>();
        }
        fs::read_to_string(&path)
            .map(|text| blocks(&text))
            .unwrap_or_default()
    })
}

/// The PEM certificates of a text, each with its line ends normalised.
fn blocks(text: &str) -> Vec<String> {
    let (begin, end) = ("-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----");
    let parts = text.split(begin).skip(1).filter_map(|part| part.split_once(end));
    parts
        .map(|(body, _)| {
            let lines = body
                .lines()
                .map(str::trim)
                .filter(|l| !l.is_empty())
                .collect::<Vec<_>>()
                .join("\n");
            format!("{begin}\n{lines}\n{end}\n")
        })
        .collect()
}
