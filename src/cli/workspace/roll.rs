//! A new image for workspaces, one user after the other: who does not get well with it has the container of before again,
//! and the roll ends there.

use std::collections::BTreeSet;

use crate::{
    backend::Power,
    labs::stand::{Return, Stand},
    plan::Choice,
    workspace::{
        shown::{came_back, kept_by_update, nothing_kept},
        spec,
    },
};

use super::{
    super::{
        Code, Setup, Stop,
        table::{foreign_json, note},
    },
    ChangeArgs, Ground, OneArgs,
    power::{agreed, chosen, has_image, made, nothing, ready, run},
    settle,
};

/// How the update of one user came out.
enum Came {
    /// All services answer.
    Well,
    /// It was not begun, or somebody stopped it: the code.
    Stopped(Code),
    /// Why it failed.
    Failed(String),
}

/// One after the other: where one fails, the others keep what they have.
pub(super) async fn update(setup: &mut Setup, args: ChangeArgs) -> Result<Code, Stop> {
    let users = chosen(&Ground::look(setup)?, &args.users, args.all)?;
    let ground = ready(setup, &users)?;
    has_image(setup, &ground).await?;
    let users = made(setup, &ground, users).await?;
    if users.is_empty() {
        return nothing(setup);
    }
    let (mut done, mut left) = (vec![], users.into_iter());
    while let Some(user) = left.next() {
        let before = stand(setup, &spec::lab(&user)).await?;
        let needed = if before.running && !args.consent.dry_run {
            settle::answering(setup, &ground, &user).await?
        } else {
            BTreeSet::new()
        };
        let untouched = |left: std::vec::IntoIter<String>| left.collect::<Vec<_>>();
        match one(setup, &ground, &user, (&needed, &args)).await {
            Ok(Came::Well) => done.push(user),
            Ok(Came::Stopped(code)) => {
                rest("that was where it stopped", &untouched(left));
                return Ok(code);
            }
            Ok(Came::Failed(why)) => {
                let roll = Roll {
                    user: &user,
                    why: &why,
                    done,
                    untouched: untouched(left),
                };
                return roll.back(setup, &ground, (before, needed)).await;
            }
            Err(stop) => {
                rest(&format!("because {user} failed"), &untouched(left));
                return Err(stop);
            }
        }
    }
    Ok(Code::OK)
}

pub(super) async fn recreate(setup: &mut Setup, args: OneArgs) -> Result<Code, Stop> {
    let args = ChangeArgs {
        users: vec![args.user],
        all: false,
        consent: args.consent,
    };
    update(setup, args).await
}

/// Who comes after the last one, and why it was the last.
fn rest(why: &str, untouched: &[String]) {
    if !untouched.is_empty() {
        note(&format!("not touched, {why}: {}", untouched.join(", ")));
    }
}

/// Makes one anew, and waits until it is well.
async fn one(
    setup: &Setup,
    ground: &Ground,
    user: &str,
    (needed, args): (&BTreeSet<String>, &ChangeArgs),
) -> Result<Came, Stop> {
    let code = run(setup, vec![(user.to_owned(), Choice::Recreate)], &args.consent).await?;
    match code {
        Code::OK if args.consent.dry_run => return Ok(Came::Well),
        Code::OK => {}
        Code(1 | 4 | 5) => return Ok(Came::Failed("it could not be made anew from the image".into())),
        other => return Ok(Came::Stopped(other)),
    }
    let settled = settle::wait(setup, ground, user, needed.clone()).await?;
    Ok(settled
        .and_then(|settled| settled.failed)
        .map_or(Came::Well, Came::Failed))
}

/// A roll that ends at a user.
struct Roll<'a> {
    user: &'a str,
    why: &'a str,
    done: Vec<String>,
    untouched: Vec<String>,
}

impl Roll<'_> {
    /// Gives the user the container of before, and says what is where.
    async fn back(
        self,
        setup: &Setup,
        ground: &Ground,
        (before, needed): (Stand, BTreeSet<String>),
    ) -> Result<Code, Stop> {
        let (user, lab) = (self.user, spec::lab(self.user));
        note(&format!(
            "{user}: the update failed: {}; the container of before comes back",
            self.why
        ));
        let came = bring(setup, &lab, &before).await;
        let back = match &came {
            Ok(()) => settle::wait(setup, ground, user, needed)
                .await?
                .is_none_or(|settled| settled.failed.is_none()),
            Err(stop) => {
                note(&crate::log::sanitize_text(&stop.text));
                false
            }
        };
        let now = stand(setup, &lab).await?;
        let kept: Vec<&String> = now.kept.difference(&before.kept).collect();
        self.say(setup, (came.is_ok(), back), &kept)?;
        Ok(Code::FAILED)
    }

    fn say(&self, setup: &Setup, (came, back): (bool, bool), kept: &[&String]) -> Result<(), Stop> {
        let Self {
            user,
            why,
            done,
            untouched,
        } = self;
        if setup.global.json {
            return foreign_json(&serde_json::json!({"v": 1, "roll": {
                "failed": user, "why": why, "back": came, "well": back, "kept": kept, "updated": done,
                "untouched": untouched,
            }}));
        }
        note(&came_back(user, came, back));
        for name in kept {
            note(&kept_by_update(name));
        }
        if !done.is_empty() {
            note(&format!("updated before, and well: {}", done.join(", ")));
        }
        rest(&format!("because {user} failed"), untouched);
        Ok(())
    }
}

/// What there is of a user's workspace now.
async fn stand(setup: &Setup, lab: &str) -> Result<Stand, Stop> {
    Ok(Stand::of(&setup.glance_at(&[lab]).await?, lab))
}

/// Puts the container of before in its place: the one that was kept by the swap; where it did not come to that, the one
/// that is there is started again.
async fn bring(setup: &Setup, lab: &str, before: &Stand) -> Result<(), Stop> {
    let user = spec::user_of(lab).unwrap_or(lab).to_owned();
    let kept = match before.way_back(&stand(setup, lab).await?) {
        Return::There => return Ok(()),
        Return::Start => {
            let _lock = setup.hold(&[lab], &format!("start {lab}")).await?;
            let backend = setup.docker().await.map_err(Stop::blocked)?;
            backend.power(lab, Power::Start).await?;
            return Ok(());
        }
        Return::Lost => return Err(Stop::blocked(nothing_kept(lab))),
        Return::Bring(kept) => kept,
    };
    match run(setup, vec![(user, Choice::BringBack(kept.clone()))], &agreed()).await? {
        Code::OK => Ok(()),
        code => Err(Stop::new(
            code,
            format!("{kept} could not be put in the place of {lab}"),
        )),
    }
}
