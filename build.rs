//! Embeds anew when a stage or a theme is added: the macro that embeds them sees changed files, not new ones.

use std::path::Path;

fn main() {
    for folder in ["stages", "themes", "assets"] {
        if Path::new(folder).exists() {
            println!("cargo:rerun-if-changed={folder}");
        }
    }
}
