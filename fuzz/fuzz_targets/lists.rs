//! What Spack writes of packages: lists of build caches, locks and databases. Before the first zero byte is a lock, then a
//! database, then a list.

#![no_main]

use halolab::{
    log::sanitize,
    progress::{Database, History, Lock},
    spack::{Cache, Review, Standing, dropped},
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut parts = bytes.splitn(3, |b| *b == 0);
    let mut part = || parts.next().unwrap_or_default();
    let (lock, database, list) = (part(), part(), part());
    let list = String::from_utf8_lossy(list);
    let cache = Cache::listed(&list).and(Cache::files(list.lines()));
    for word in list.split_whitespace() {
        let is_hash = word.len() == 32 && word.bytes().all(|b| matches!(b, b'a'..=b'z' | b'2'..=b'7'));
        assert!(is_hash || !cache.holds(word), "{word:?}");
    }
    for line in list.lines().filter(|line| Cache::listed(line) != Cache::default()) {
        let hash = line.split_whitespace().next().unwrap_or_default();
        assert!(cache.holds(hash), "each line of a list counts by itself");
    }
    let lock = match Lock::parse(lock) {
        Ok(lock) => lock,
        Err(error) => {
            let said = error.to_string();
            assert!(!said.chars().any(char::is_control), "{said:?}");
            return;
        }
    };
    let database = Database::parse(database).unwrap_or_default();
    let review = Review::of(&lock, &database, &cache, &History::default(), Some(8));
    assert_eq!(review.rows.len(), lock.packages().len(), "each package is in one row");
    let held = review.held;
    assert_eq!(
        held.to_build + held.cached + held.installed + held.external + held.not_needed,
        review.rows.len()
    );
    for row in &review.rows {
        for text in [&row.name, &row.version] {
            assert_eq!(&sanitize(text), text, "a name drives no terminal");
        }
        match row.standing {
            Standing::Installed => assert!(database.holds(&row.hash)),
            Standing::Cached => assert!(cache.holds(&row.hash) && !database.holds(&row.hash)),
            Standing::ToBuild => assert!(!cache.holds(&row.hash) && !database.holds(&row.hash)),
            Standing::External | Standing::NotNeeded => {}
        }
        if let Some((hash, ..)) = lock.resolve(&row.hash) {
            assert!(hash.starts_with(&row.hash));
        }
    }
    for drop in dropped(&lock) {
        assert_eq!(sanitize(&drop.text), drop.text);
    }
});
