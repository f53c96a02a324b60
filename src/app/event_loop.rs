//! The loop: the only owner of the terminal and the model. Takes in all that waits, then draws once,
//! and only where something changed.

use std::{
    future::poll_fn,
    io,
    task::Poll,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crossterm::event::Event as Input;
use futures_util::{Stream, StreamExt as _};
use ratatui::{Terminal, backend::Backend as Screen};
use tokio::{
    sync::mpsc::Receiver,
    time::{Instant, sleep_until},
};

use crate::ui;

use super::{
    model::Model,
    msg::{Effect, Errand, Msg},
};

/// Messages that are taken in before the next frame at most, so that a flood is still seen.
const BATCH: usize = 8192;
/// Time between two frames.
const FRAME: Duration = Duration::from_millis(16);
/// Exit code where the terminal is gone.
const GONE: u8 = 129;

/// Why the loop was left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exit {
    /// The program ends with this code.
    Done(u8),
    /// Something has to be done with the terminal; then the loop goes on.
    Errand(Errand),
}

/// Seconds since 1970.
pub fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| d.as_secs())
}

/// Runs the screens until the program is done or an errand needs the terminal.
pub async fn run<S: Screen>(
    model: &mut Model,
    terminal: &mut Terminal<S>,
    input: impl Stream<Item = io::Result<Input>> + Unpin,
    messages: &mut Receiver<Msg>,
    mut perform: impl FnMut(Effect),
) -> Result<Exit, S::Error> {
    let mut input = input.fuse();
    let mut next_frame = Instant::now();
    let mut typing = true;
    loop {
        if model.dirty && Instant::now() >= next_frame {
            terminal.draw(|frame| ui::view(model, frame))?;
            model.dirty = false;
            next_frame = Instant::now() + FRAME;
        }
        let second = Instant::now() + Duration::from_secs(1);
        let first = tokio::select! {
            event = input.next(), if typing => from_input(event, &mut typing),
            msg = messages.recv() => match msg {
                Some(msg) => Some(msg),
                None if typing => None,
                None => return Ok(Exit::Done(0)),
            },
            () = sleep_until(second), if model.is_ticking() => None,
            () = sleep_until(next_frame), if model.dirty => None,
        };
        step(model, Msg::Clock(now())).into_iter().for_each(&mut perform);
        let mut waiting = first;
        for _ in 0..BATCH {
            let Some(msg) = waiting.take() else { break };
            for effect in step(model, msg) {
                match effect {
                    Effect::Errand(errand) => return Ok(Exit::Errand(errand)),
                    effect => perform(effect),
                }
            }
            if let Some(code) = model.done {
                return Ok(Exit::Done(code));
            }
            waiting = messages.try_recv().ok();
            if waiting.is_none() && typing {
                waiting = ready(&mut input)
                    .await
                    .and_then(|event| from_input(event, &mut typing));
            }
        }
        if let Some(msg) = waiting {
            step(model, msg).into_iter().for_each(&mut perform);
        }
    }
}

/// What the stream has ready now. Polls with the waker of this task: crossterm keeps the first waker that
/// it was given, and an empty one would never wake the loop again.
async fn ready<T: Stream + Unpin>(stream: &mut T) -> Option<Option<T::Item>> {
    poll_fn(|context| {
        Poll::Ready(match stream.poll_next_unpin(context) {
            Poll::Ready(item) => Some(item),
            Poll::Pending => None,
        })
    })
    .await
}

/// One message; what it did not change does not undo what others did.
fn step(model: &mut Model, msg: Msg) -> Vec<Effect> {
    let dirty = model.dirty;
    let effects = model.update(msg);
    model.dirty |= dirty;
    effects
}

/// An input event as a message. A terminal that cannot be read is gone.
fn from_input(event: Option<io::Result<Input>>, typing: &mut bool) -> Option<Msg> {
    match event {
        Some(Ok(event)) => Some(Msg::Input(event)),
        Some(Err(_)) => {
            *typing = false;
            Some(Msg::Ordered(GONE))
        }
        None => {
            *typing = false;
            None
        }
    }
}
