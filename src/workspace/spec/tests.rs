//! What is checked of `spec`.

use super::*;

fn of(user: &User) -> Stage {
    let settings = Settings {
        root: "/srv/ws".into(),
        ..Settings::default()
    };
    stage(&settings, ("anna", user), 2, Path::new("/state/secrets"))
}

#[test]
fn a_user_is_a_stage_that_the_checker_takes() {
    let user = User {
        memory: Some("32GiB".into()),
        swap: Some("1GiB".into()),
        cpus: Some(2.5),
        gpus: vec!["GPU-1".into()],
        docker: true,
        ..User::default()
    };
    let stage = of(&user);
    let read = crate::stage::load::parse("x/stage.toml", &stage.text, BTreeMap::new()).unwrap();
    assert_eq!(
        (read.id.as_str(), &read.profile, &read.mounts),
        ("ws-anna", &stage.profile, &stage.mounts)
    );
    let config = &stage.profile.config;
    let of = |key: &str| config.get(key).map_or("", String::as_str);
    assert_eq!(
        of("environment.WS_SERVICES"),
        "ssh,vnc,novnc,code,jupyter,tensorboard,dind"
    );
    assert_eq!((of("environment.WS_UID"), of("limits.cpu")), ("20003", "2.5"));
    assert_eq!(
        (of("limits.memory"), of("docker.swap")),
        ("34359738368B", "1073741824B")
    );
    assert_eq!(of("docker.cap_add").split(',').count(), 12);
    assert_eq!(of("security.privileged"), "");
    let listen = |name: &str| stage.profile.devices[name].config["listen"].clone();
    assert_eq!(listen("port-ssh"), "tcp:127.0.0.1:10222");
    let mounted: Vec<_> = stage
        .mounts
        .iter()
        .map(|m| (m.path.as_str(), m.read_only))
        .collect();
    assert_eq!(
        mounted,
        [
            ("/home/anna", false),
            ("/workspace", false),
            ("/shared", true),
            ("/shared/tensorboard/anna", false),
            ("/var/lib/state", false),
        ]
    );
}

#[test]
fn nothing_secret_and_no_privilege_is_in_a_usual_one() {
    let stage = of(&User::default());
    for word in ["cap_add", "privileged", "seccomp", "password", "device_rules"] {
        assert!(!stage.text.contains(word), "{word}\n{}", stage.text);
    }
    let wrong = of(&User {
        privileged: Some("yes".into()),
        ..User::default()
    });
    assert!(
        !wrong.profile.config.contains_key("security.privileged"),
        "not the name"
    );
    let typed = of(&User {
        privileged: Some("anna".into()),
        ..User::default()
    });
    assert_eq!(typed.profile.config["security.privileged"], "true");
}

#[test]
fn fifty_users_are_planned_without_a_collision() {
    let mut settings = Settings::default();
    let mut ledger = Ledger::default();
    let machine = ports::Machine::default();
    for number in 0..50 {
        let name = format!("user{number}");
        settings.users.insert(name.clone(), User::default());
        let fits = |slot| ports::fits(&settings, &machine, slot);
        ledger.assign(&name, "now", &|_| true, &fits).unwrap();
    }
    assert_eq!(ports::collisions(&settings, &ledger, &machine, &|_| false), []);
    let stages = stages(&settings, &ledger, Path::new("/s"));
    let all: Vec<&String> = stages
        .iter()
        .flat_map(|stage| {
            stage
                .profile
                .devices
                .values()
                .filter_map(|d| d.config.get("listen"))
        })
        .collect();
    let different: std::collections::BTreeSet<_> = all.iter().collect();
    assert_eq!((all.len(), different.len()), (300, 300));
}
