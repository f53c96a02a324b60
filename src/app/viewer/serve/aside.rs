//! What is done beside the loop, so that keys are answered meanwhile: saves, and copies for other programs.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use super::Serving;
use crate::{
    app::viewer::hands,
    document::Problem,
    log::{document::save::Copied, sanitize},
    view::viewer::{Opening, Save},
};

/// How long a save may take to remove what it wrote.
const CLEAN: Duration = Duration::from_millis(500);

/// What a thread ended.
pub(super) enum Ended {
    Saved(Box<Save>, Result<u64, (String, bool)>),
    Copied(Result<Copied, String>, bool),
    /// The rules were read, but for these.
    Ruled(Vec<Problem>),
}

/// Threads at work.
pub(super) struct Aside {
    ended: (mpsc::Sender<Ended>, mpsc::Receiver<Ended>),
    /// A save that is under way, and how to give it up.
    saving: Option<Arc<AtomicBool>>,
    /// The same of a copy for another program.
    copying: Option<Arc<AtomicBool>>,
    /// The user was told that leaving gives it up.
    warned: bool,
}

impl Default for Aside {
    fn default() -> Self {
        Self {
            ended: mpsc::channel(),
            saving: None,
            copying: None,
            warned: false,
        }
    }
}

impl Serving {
    pub(super) fn save(&mut self, save: Box<Save>) {
        let Some(log) = self.logs.get(save.log) else {
            return;
        };
        if self.aside.saving.is_some() {
            self.viewer.message = Some("not saved: another save is under way".into());
            return;
        }
        let saving = hands::saving(log, save.range, save.filter.as_ref(), save.raw);
        self.aside.saving = Some(Arc::clone(&saving.given_up));
        self.viewer.message = Some("saving".into());
        self.begin(move || {
            let result = hands::save(saving, &save);
            Ended::Saved(save, result)
        });
    }

    pub(super) fn open(&mut self, opening: &Opening) {
        let Some(log) = self.logs.get(opening.log) else {
            return;
        };
        let (at, editor) = (opening.at, opening.editor);
        let saving = hands::saving(log, opening.range, opening.filter.as_ref(), false);
        if self.aside.copying.is_some() {
            return;
        }
        self.aside.copying = Some(Arc::clone(&saving.given_up));
        self.viewer.message = Some("making a copy for the other program".into());
        self.begin(move || Ended::Copied(hands::copy(saving, at).map_err(|e| e.to_string()), editor));
    }

    /// Whether nothing is under way that leaving would cut short; the second time it is given up.
    pub(super) fn may_leave(&mut self) -> bool {
        if self.aside.saving.is_none() || self.aside.warned {
            self.give_up();
            return true;
        }
        self.aside.warned = true;
        self.viewer.message = Some("still saving: wait for its end, or give it up with another q".into());
        false
    }

    /// Ends what is under way, and waits until what it had written is gone.
    pub(super) fn give_up(&mut self) {
        let aside = &mut self.aside;
        let all: Vec<_> = aside
            .saving
            .take()
            .into_iter()
            .chain(aside.copying.take())
            .collect();
        for given_up in &all {
            given_up.store(true, Ordering::Relaxed);
        }
        for _ in all {
            match aside.ended.1.recv_timeout(CLEAN) {
                Ok(Ended::Copied(Ok(copied), _)) => {
                    let _ = std::fs::remove_file(copied.path);
                }
                Ok(_) => {}
                Err(_) => return,
            }
        }
    }

    /// Does something that may take long, so that keys are answered meanwhile.
    pub(super) fn begin(&mut self, work: impl FnOnce() -> Ended + Send + 'static) {
        let (tell, wake) = (self.aside.ended.0.clone(), self.ears.wake());
        let begun = thread::Builder::new().name("save".into()).spawn(move || {
            let _ = tell.send(work());
            wake();
        });
        if let Err(error) = begun {
            self.viewer.message = Some(format!("not done: {error}"));
            (self.aside.saving, self.aside.copying) = (None, None);
        }
    }

    pub(super) fn take_ended(&mut self) -> io::Result<()> {
        while let Ok(ended) = self.aside.ended.1.try_recv() {
            match ended {
                Ended::Saved(save, result) => {
                    (self.aside.saving, self.aside.warned) = (None, false);
                    self.viewer.take_saved(&save, result);
                }
                Ended::Ruled(problems) => {
                    for problem in problems {
                        let text = sanitize(problem.to_string().lines().next().unwrap_or_default());
                        let text = format!("these log rules are left out: {text}");
                        // What was wrong before is not forgotten for it.
                        self.viewer.message = Some(match self.viewer.message.take() {
                            Some(before) => format!("{before}; {text}"),
                            None => text,
                        });
                    }
                }
                Ended::Copied(result, editor) => {
                    self.aside.copying = None;
                    match result {
                        Ok(copied) => self.show(&copied, editor)?,
                        Err(why) => self.viewer.message = Some(format!("no copy could be made: {why}")),
                    }
                }
            }
            self.dirty = true;
        }
        Ok(())
    }

    fn show(&mut self, copied: &Copied, editor: bool) -> io::Result<()> {
        self.session.lend();
        let shown = hands::show(copied, editor);
        self.ears.forget_interrupts();
        self.session.take_back()?;
        self.viewer.message = shown.err();
        self.changed = true;
        Ok(())
    }
}
