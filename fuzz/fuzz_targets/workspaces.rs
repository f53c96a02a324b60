//! `workspaces.toml`: read or refused with the place of the mistake; what is read can be written and changed.

#![no_main]

use halolab::{
    log::sanitize,
    workspace::{Ledger, Settings, User, edit, spec},
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let settings = match Settings::parse("workspaces.toml", text) {
        Ok(settings) => settings,
        Err(error) => {
            let words = error.to_string();
            assert!(!words.chars().any(|c| c.is_control() && c != '\n'), "{words:?}");
            assert!(error.problems.iter().all(|p| p.line > 0), "{words}");
            return;
        }
    };
    let written = toml::to_string(&settings).expect("it can be written");
    assert_eq!(Settings::parse("again", &written).ok().as_ref(), Some(&settings), "{written}");
    for (slot, (name, user)) in (0..).zip(&settings.users) {
        let stage = spec::stage(&settings, (name, user), slot, "/state/secrets".as_ref());
        assert_eq!(spec::user_of(&stage.id), Some(name.as_str()));
        assert!(!stage.text.is_empty(), "a stage can be written");
        assert!(stage.profile.config.values().all(|value| sanitize(value) == *value), "{:?}", stage.profile.config);
        let privileged = stage.profile.config.contains_key("security.privileged");
        assert_eq!(privileged, user.privileged.as_deref() == Some(name.as_str()), "only who was typed");
    }
    let _ = Ledger::default();
    let anna = User {
        memory: Some("3GiB".into()),
        ..User::default()
    };
    if let Ok((text, changed)) = edit::with_user(text, "anna", &anna) {
        assert_eq!(changed.users.get("anna"), Some(&anna), "{text}");
        for (name, user) in settings.users.iter().filter(|(name, _)| *name != "anna") {
            assert_eq!(changed.users.get(name), Some(user), "{text}");
        }
        let again = edit::with_user(&text, "anna", &anna).expect("what was written once");
        assert_eq!(again.0, text, "nothing changes twice");
    }
});
