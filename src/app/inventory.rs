//! Looks at the host once, and at the engine each time that something changed there.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{sync::mpsc, time::timeout};

use crate::{
    backend::{self, Backend, InstanceState},
    host::{self, Facts, Finding},
    labs::{Unended, World, compare, kept_sizes, states},
    log::sanitize,
    plan,
};

use super::{
    effect::{Shared, Surroundings},
    msg::{HostSummary, Missing, Msg},
};

/// Waits between two attempts to reach an engine that does not answer: 1, 2, 4, ... seconds.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// Between two questions to an engine of which nothing was heard: whether it still answers.
const PULSE: Duration = Duration::from_secs(10);
/// How long it may take to answer that.
const PULSE_WAIT: Duration = Duration::from_secs(20);
/// Changes on the daemon come in bursts; the lists are read once after each.
const BURST: Duration = Duration::from_millis(300);

/// How long an image server may take to answer before the form says that it does not.
const SERVER_WAIT: Duration = Duration::from_secs(1);

/// The host's facts, which grow while the image servers are tried.
type Known = Arc<Mutex<Facts>>;

fn facts(known: &Known) -> Facts {
    known.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Looks at the host once, then at the engine: at first, when asked, and when something changed there.
pub(super) async fn look(shared: Arc<Shared>) {
    let probed = tokio::task::spawn_blocking(|| host::probe(std::path::Path::new("/"))).await;
    let known = Arc::new(Mutex::new(probed.unwrap_or_default()));
    let summary = HostSummary {
        facts: facts(&known),
        findings: vec![],
    };
    shared.tell(Msg::Host(Box::new(summary))).await;
    tokio::spawn(try_servers(Arc::clone(&shared), Arc::clone(&known)));
    let mut wait = Duration::from_secs(1);
    let mut seen = false;
    // What was told of an engine that is not there: the same is told again only when asked.
    let mut told = None;
    loop {
        match observe(&shared, &known, seen, told.as_ref()).await {
            Ok((backend, changes)) => {
                seen = true;
                told = None;
                wait = Duration::from_secs(1);
                if !until_changed(&shared, &known, backend, changes).await {
                    return;
                }
            }
            Err(missing) => {
                shared.engines.forget();
                if told.as_ref() != Some(&missing) {
                    shared.tell(Msg::World(Err(missing.clone()))).await;
                }
                told = missing.absent.then_some(missing);
                let asked = timeout(wait, shared.look.notified()).await.is_ok();
                told = told.filter(|_| !asked);
                wait = (wait * 2).min(LONGEST_WAIT);
            }
        }
        if shared.messages.is_closed() {
            return;
        }
    }
}

/// Tries the image servers beside everything else: the lists do not wait for a silent one.
async fn try_servers(shared: Arc<Shared>, known: Known) {
    let mut found = facts(&known);
    host::reach::look(&mut found, &shared.around.config.servers(), SERVER_WAIT).await;
    *known.lock().unwrap_or_else(PoisonError::into_inner) = found;
    shared.look.notify_one();
}

type Changes = Option<mpsc::Receiver<()>>;

/// Looks at the engine. One that was `seen` before and is not found now is away, not absent: its labs are still there.
/// What was `told` already is not told again.
async fn observe(
    shared: &Shared,
    known: &Known,
    seen: bool,
    told: Option<&Missing>,
) -> Result<(Arc<dyn Backend>, Changes), Missing> {
    let looked = async {
        let backend = shared.backend().await?;
        let changes = backend.watch().await.ok();
        show_world(shared, known, backend.as_ref()).await?;
        Ok((backend, changes))
    };
    match looked.await {
        Ok(seen) => Ok(seen),
        Err(error @ backend::Error::NotFound { .. }) if !seen => {
            let missing = missing(shared, &error, true).await;
            if told != Some(&missing) {
                let world = World::without_daemon(facts(known), shared.around.config.clone());
                shared.tell(Msg::World(Ok(Box::new(world)))).await;
            }
            Err(missing)
        }
        Err(error @ backend::Error::Asleep { .. }) => {
            let missing = missing(shared, &error, true).await;
            if let backend::Error::Asleep { engine, .. } = &error
                && told != Some(&missing)
            {
                let world = World::asleep(engine, facts(known), shared.around.config.clone());
                shared.tell(Msg::World(Ok(Box::new(world)))).await;
            }
            Err(missing)
        }
        Err(error) => Err(missing(shared, &error, false).await),
    }
}

async fn missing(shared: &Shared, error: &backend::Error, absent: bool) -> Missing {
    Missing {
        text: sanitize(&error.to_string()),
        absent,
        docker: without_docker(shared).await,
    }
}

/// Why Docker is not there; none where it answers.
async fn without_docker(shared: &Shared) -> Option<String> {
    match shared.engines.docker().await {
        Err(away) => Some(sanitize(&away.why)),
        Ok(_) if answers(shared).await => None,
        Ok(_) => Some("Docker does not answer; look at it with `docker version`".into()),
    }
}

/// Reads the lists and tells them: first what is quick, then live facts and findings.
async fn show_world(shared: &Shared, known: &Known, backend: &dyn Backend) -> backend::Result<()> {
    let around = &shared.around;
    let catalog = shared.stages();
    let aliases = plan::aliases(&catalog, &[]);
    let (config, wanted) = (around.config.clone(), shared.wants_docker());
    let mut world = World::observe_all(&shared.engines, facts(known), config, &aliases, wanted).await?;
    // Without asking labs: each question is a change on the daemon, after which it would be looked again.
    world.jobs = crate::run::jobs::under_way(&shared.jobs());
    world.unended = unended(around).await;
    if !around.global.read_only {
        // Where it fails the next look does it.
        let _ = compare::copy::sweep(backend, &world.instances).await;
    }
    let labs = world.labs(&catalog);
    let found = world.clone();
    shared.tell(Msg::World(Ok(Box::new(world)))).await;
    let mut live = states(backend, &labs).await;
    let kept: Vec<_> = labs.iter().flat_map(|lab| lab.kept.clone()).collect();
    let disk = kept_sizes(backend, &kept).await.into_iter().map(|(name, bytes)| {
        let state = InstanceState {
            disk: Some(bytes),
            ..InstanceState::default()
        };
        (name, state)
    });
    live.extend(disk);
    shared.tell(Msg::States(live)).await;
    let mut all = findings(&found).await;
    all.extend(found.drift(&labs));
    if let Some(server) = &found.server {
        let root = found.facts.get("root") == Some(&host::Fact::Bool(true));
        all.extend(host::findings::engine_socket(
            server.title(),
            &server.address,
            root,
        ));
    }
    // None is told too: what was found before may be mended.
    let summary = HostSummary {
        facts: facts(known),
        findings: all,
    };
    shared.tell(Msg::Host(Box::new(summary))).await;
    Ok(())
}

/// The runs that were left before their end.
async fn unended(around: &Surroundings) -> Vec<Unended> {
    let (runs, lock, daemon) = (around.runs.clone(), around.lock.clone(), around.daemon.clone());
    let looked = tokio::task::spawn_blocking(move || crate::run::unfinished::left(&runs, &lock, &daemon));
    looked.await.unwrap_or_default()
}

/// What stands in the way of labs on this host, as far as it can be seen without rights.
async fn findings(world: &World) -> Vec<Finding> {
    let Some(server) = &world.server else {
        return vec![];
    };
    // A question for a password would land in the middle of the screen.
    if host::command::needs_password().await {
        return vec![];
    }
    let mut found = vec![];
    for bridge in world.networks.iter().filter(|n| n.managed && n.kind == "bridge") {
        if let Ok(Some(finding)) = host::firewall::check(&server.firewall, &bridge.name).await {
            found.push(finding);
        }
    }
    found
}

/// Reads the lists again each time that something changed, until the connection is lost; false where
/// nobody listens any more.
async fn until_changed(shared: &Shared, known: &Known, backend: Arc<dyn Backend>, changes: Changes) -> bool {
    let mut changes = changes;
    loop {
        let again = tokio::select! {
            () = shared.look.notified() => true,
            alive = changed(&mut changes) => alive,
            () = pulse(shared, backend.as_ref()) => {
                // Connecting anew may take as long again before it says the same.
                let seconds = PULSE_WAIT.as_secs();
                let text = format!("the engine takes connections and gives no answer for {seconds} s; is it stopped or overloaded?");
                let docker = without_docker(shared).await;
                shared.tell(Msg::World(Err(Missing { text, absent: false, docker }))).await;
                false
            }
            () = shared.messages.closed() => return false,
        };
        if !again || show_world(shared, known, backend.as_ref()).await.is_err() {
            // The next look connects anew and says what is wrong.
            shared.engines.forget();
            return true;
        }
    }
}

/// Ends when the engine does not answer any more: one that is stopped, or behind a network that is gone, says nothing.
async fn pulse(shared: &Shared, backend: &dyn Backend) {
    loop {
        tokio::time::sleep(PULSE).await;
        match timeout(PULSE_WAIT, backend.server()).await {
            Ok(Ok(_)) => {}
            // That LXD is away was told with the lists; labs of Docker need none.
            Ok(Err(_)) if answers(shared).await => {}
            _ => return,
        }
    }
}

/// Whether Docker answers.
async fn answers(shared: &Shared) -> bool {
    let Ok(docker) = shared.engines.docker().await else {
        return false;
    };
    matches!(timeout(PULSE_WAIT, docker.server()).await, Ok(Ok(_)))
}

/// Waits for the end of a burst of changes; false where the connection is lost.
async fn changed(changes: &mut Changes) -> bool {
    let Some(receiver) = changes else {
        return std::future::pending().await;
    };
    if receiver.recv().await.is_none() {
        return false;
    }
    tokio::time::sleep(BURST).await;
    while receiver.try_recv().is_ok() {}
    true
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::{
        app::effect::Performer, backend::fake::Fake, config::Config, paths::Paths, run::StopCode,
        stage::Catalog,
    };

    #[tokio::test]
    async fn an_engine_that_comes_later_is_found_without_a_key() {
        let home = tempfile::tempdir().unwrap();
        let tries = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&tries);
        let connect: crate::run::Connect = Arc::new(move |_| {
            let absent = counted.fetch_add(1, Ordering::SeqCst) < 3;
            Box::pin(async move {
                if absent {
                    return Err(backend::Error::NotFound { looked: vec![] });
                }
                Ok(Arc::new(Fake::new()) as Arc<dyn Backend>)
            })
        });
        let around = Surroundings {
            connect,
            catalog: Arc::new(Catalog::of(vec![])),
            config: Config::default(),
            paths: Paths::under(home.path()),
            root: home.path().to_owned(),
            runs: home.path().join("runs"),
            lock: home.path().join("lock"),
            daemon: crate::run::lock::Daemon::at("fake"),
            stop_code: StopCode::default(),
            global: crate::cli::Global::default(),
        };
        let (messages, mut heard) = mpsc::channel(64);
        let _performer = Performer::new(around, messages);
        let mut absent = 0;
        loop {
            match timeout(Duration::from_mins(1), heard.recv())
                .await
                .unwrap()
                .unwrap()
            {
                Msg::World(Ok(world)) if world.server.is_some() => break,
                Msg::World(Err(_)) => absent += 1,
                _ => {}
            }
        }
        assert!(tries.load(Ordering::SeqCst) > 3);
        // Told once, and once more where the image servers were tried meanwhile.
        assert!((1..=2).contains(&absent), "{absent}");
    }
}
