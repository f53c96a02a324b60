//! What is told of the log that is shown, by whoever fetches it meanwhile: the engine went away, the job has ended.

use std::{
    fmt,
    sync::{Mutex, MutexGuard, OnceLock, PoisonError},
};

use crate::{log::Wake, view::Standing};

/// What is told, until it is taken.
#[derive(Default)]
pub struct News {
    told: Mutex<Told>,
    wake: OnceLock<Wake>,
}

/// What was told since the last look.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    /// How it stands now.
    pub(super) standing: Option<Standing>,
    /// What happened, to be said until the next key.
    pub(super) said: Option<String>,
    /// That it has ended is also told to the terminal.
    pub(super) ring: Option<String>,
    changed: bool,
}

impl fmt::Debug for News {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("News").field(&*self.lock()).finish()
    }
}

impl News {
    /// How it stands from now on, and what is said of that; texts are safe to draw. What is the same already is no news.
    pub fn tell(&self, standing: Option<Standing>, said: Option<String>) {
        let mut told = self.lock();
        if told.standing == standing && said.is_none() {
            return;
        }
        told.standing = standing;
        told.said = said.or_else(|| told.said.take());
        told.changed = true;
        drop(told);
        self.wake();
    }

    /// Says something, which is safe to draw; how it stands stays.
    pub fn say(&self, said: String) {
        let mut told = self.lock();
        told.said = Some(said);
        told.changed = true;
        drop(told);
        self.wake();
    }

    /// It has ended: the terminal is to tell it with this text.
    pub fn ring(&self, text: String) {
        let mut told = self.lock();
        told.ring = Some(text);
        told.changed = true;
        drop(told);
        self.wake();
    }

    /// Who is to be woken from now on.
    pub(super) fn listen(&self, wake: Wake) {
        let _ = self.wake.set(wake);
        self.wake();
    }

    /// What was told since the last time.
    pub(super) fn take(&self) -> Option<Told> {
        let mut told = self.lock();
        if !std::mem::take(&mut told.changed) {
            return None;
        }
        let (said, ring) = (told.said.take(), told.ring.take());
        Some(Told {
            standing: told.standing.clone(),
            said,
            ring,
            changed: false,
        })
    }

    fn wake(&self) {
        if let Some(wake) = self.wake.get() {
            wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
