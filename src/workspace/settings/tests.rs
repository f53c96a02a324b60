//! What is checked of `settings`.

use super::*;

const FILE: &str = r#"
# our box
base-port = 12000
bind = "10.1.2.3"
reserved = ["12100", "12500-12600"]

[user.anna]
memory = "32GiB"
memory-reservation = "8GiB"
swap = "4GiB"
cpus = 4
gpus = ["GPU-8a7c1e40-0000-1111-2222-333344445555"]
gpus-until = "2026-12-31"
services = ["ssh", "jupyter"]

[user.bob]
docker-inside = true
privileged = "bob"
"#;

#[test]
fn a_file_is_read_with_its_defaults() {
    let settings = Settings::parse("workspaces.toml", FILE).unwrap();
    assert_eq!((settings.base_port, settings.block), (12000, 100));
    let anna = &settings.users["anna"];
    assert_eq!((anna.cpus, anna.services.len()), (Some(4.0), 2));
    assert_eq!(settings.users["bob"].services.len(), 6);
    assert_eq!(settings.bind_of(anna).to_string(), "10.1.2.3");
    assert_eq!(settings.image_name(), image::default_name());
}

#[test]
fn each_mistake_is_said_with_its_place() {
    for (from, to, place, part) in [
        (
            "base-port = 12000",
            "base-prot = 12000",
            "3:1",
            "did you mean `base-port`?",
        ),
        ("base-port = 12000", "base-port = 80", "3:13", "1024 or more"),
        ("bind = \"10.1.2.3\"", "bind = \"all\"", "4:8", "IP address"),
        ("\"12500-12600\"", "\"12600-12500\"", "5:22", "end is before"),
        ("[user.anna]", "[user.Anna]", "7:7", "a letter first"),
        ("[user.anna]", "[user.root]", "7:7", "system inside"),
        ("[user.anna]", "[user.anna-prev-2]", "7:7", "-next and -prev"),
        (
            "memory = \"32GiB\"",
            "memory = \"32 cups\"",
            "8:10",
            "unit of a size",
        ),
        (
            "memory = \"32GiB\"",
            "memory = \"4GiB\"",
            "9:22",
            "more than `memory`",
        ),
        ("memory = \"32GiB\"", "memory = \"1MiB\"", "8:10", "at least 6MiB"),
        ("memory = \"32GiB\"\n", "", "9:8", "without `memory`"),
        ("cpus = 4", "cpus = 0", "11:8", "0.01"),
        ("\"jupyter\"", "\"jupiter\"", "14:20", "did you mean `jupyter`?"),
        ("2026-12-31", "next week", "13:14", "a day"),
        ("[\"GPU-8a", "[\"all\", \"GPU-8a", "12:8", "a list of some"),
        (
            "privileged = \"bob\"",
            "privileged = \"yes\"",
            "18:14",
            "privileged = \"bob\"",
        ),
    ] {
        let text = FILE.replacen(from, to, 1);
        assert_ne!(text, FILE, "{from}");
        let error = Settings::parse("w.toml", &text).unwrap_err().to_string();
        assert!(
            error.contains(&format!("w.toml:{place}:")) && error.contains(part),
            "{to}\n{error}"
        );
        assert!(error.contains('^'), "{error}");
    }
}
