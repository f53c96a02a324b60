//! `halolab zephyr verify`: whether what was built sees the GPU, recorded as the lab's verdict.

use crate::{
    host::matrix::Matrix,
    job::Mirror,
    log::sanitize,
    zephyr::{Lab, NOTHING_TO_ASK, Verified, set_asked},
};

use super::{
    super::{
        Code, Setup, Stop,
        table::{json, note, out},
    },
    running,
};

/// Asks, says it, and records it; 1 where something does not work.
pub(super) async fn verify(setup: &Setup, lab: &str) -> Result<Code, Stop> {
    let Some((verified, verdict)) = recorded(setup, lab).await? else {
        return Err(Stop::blocked(NOTHING_TO_ASK));
    };
    if setup.global.json {
        json(
            &serde_json::json!({"v": 1, "lab": lab, "ok": verified.ok, "said": verified.lines, "verdict": verdict}),
        )?;
    } else {
        verified.lines.iter().for_each(|line| out(line));
        note(&sanitize(&format!("the verdict of {lab}: {verdict}")));
    }
    Ok(if verified.ok { Code::OK } else { Code::FAILED })
}

/// After a build: the same, where there is something to ask; the build is built, whatever comes of it.
pub(super) async fn afterwards(setup: &Setup, lab: &str, built: &Mirror) {
    match recorded(setup, lab).await {
        Ok(Some((verified, _))) => {
            set_asked(built);
            verified.lines.iter().for_each(|line| note(line));
        }
        Ok(None) => {
            set_asked(built);
            note(NOTHING_TO_ASK);
        }
        Err(stop) => note(&format!(
            "whether it sees the GPU was not recorded: {}",
            stop.text
        )),
    }
}

/// What was built says it, and the verdict; none where nothing was built that could.
async fn recorded(setup: &Setup, lab: &str) -> Result<Option<(Verified, String)>, Stop> {
    let _lock = setup.hold(&[lab], &format!("zephyr verify {lab}")).await?;
    let (_, instance) = running(setup, lab).await?;
    let backend = setup.backend().await?;
    let asked = Lab {
        backend: backend.as_ref(),
        instance: &instance,
        jobs: &setup.jobs(),
        state: &setup.paths.state,
        matrix: Matrix::shipped(),
    };
    let verified = asked.verify().await?;
    if verified.lines.is_empty() {
        return Ok(None);
    }
    let verdict = asked.record(&verified).await?;
    Ok(Some((verified, verdict)))
}
