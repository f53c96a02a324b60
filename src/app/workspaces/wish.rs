//! What is done about workspaces: the same functions as the verbs', off the loop.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use futures_util::StreamExt as _;

use crate::{
    app::{
        effect::Shared,
        model::Pick,
        msg::{Job, Msg},
        stages::Stages,
    },
    backend::Status,
    cli::{login, workspace_image},
    host::{Root, folder},
    labs::{Presence, World, identity::Seen},
    log::{sanitize, sanitize_text},
    paths::Paths,
    plan::Choice,
    run::{Lock, lock::Scope},
    stage::trust::{Store, WORKSPACE},
    workspace::{
        self, Ground, Settings, edit, gpus,
        ground::{Trouble, check_ports, no_image},
        resources::{self, Capacity},
        services, spec,
        users::{self, Given},
    },
};

use super::{Book, Looked, News, Order, Wish};

/// Workspaces that are asked at a time: each is a command inside and some connections.
const AT_ONCE: usize = 8;
/// Bytes of the longest file of public keys.
const LONGEST: u64 = 1 << 20;

/// What was done, or the field and why not.
type Ended = Result<Vec<String>, (Option<&'static str>, String)>;

fn not(trouble: &Trouble) -> (Option<&'static str>, String) {
    let key = match trouble {
        Trouble::Value { key, .. } => Some(*key),
        Trouble::Name(_) | Trouble::There(_) => Some("name"),
        Trouble::Secret(workspace::secrets::SecretError::Password) => Some("password"),
        Trouble::Secret(workspace::secrets::SecretError::Key(_)) => Some("keys"),
        Trouble::Folder { .. } => Some("root"),
        _ => None,
    };
    (key, trouble.to_string())
}

impl Book {
    /// Reads what the files say.
    ///
    /// # Errors
    /// They cannot be used.
    pub fn read(paths: &Paths) -> Result<Self, Trouble> {
        let ground = Ground::look(paths)?;
        let today = jiff::Zoned::now().date().to_string();
        Ok(Self {
            written: ground.places.settings.exists(),
            sums: resources::sums(&ground.settings, Capacity::look(&Root::new(&folder()))),
            holds: gpus::holds(&ground.settings, &today),
            ground,
        })
    }
}

impl Shared {
    /// What a shell in a lab begins with: in a workspace its user's own.
    pub(in crate::app) fn login(&self, lab: &str) -> Vec<String> {
        let stages = self.stages();
        let stage = stages
            .get(lab)
            .filter(|stage| stage.origin.starts_with(WORKSPACE));
        let user = stage.and_then(|_| spec::user_of(lab));
        user.map_or_else(login, spec::login)
    }

    /// Does what is wished about workspaces.
    pub(in crate::app) async fn workspaces(self: Arc<Self>, wish: Wish) {
        let news = match wish {
            Wish::Read => self.read_book().await,
            Wish::Ask(users) => self.ask(users).await,
            Wish::Ready(pick) => match self.ready(&pick).await {
                Ok(notes) => News::Ready(pick, notes),
                Err(why) => News::Not(None, why),
            },
            Wish::Service(user, service) => self.restart_service(&user, &service).await,
            Wish::Wait(user, needed) => {
                let waited = self.wait_for_services(&user, needed).await;
                News::Waited(user, waited)
            }
            Wish::Return(user, before, facts) => {
                let way = Box::pin(self.way_back(&user, &before, *facts)).await;
                News::WayBack(user, way)
            }
            Wish::File(what, path) => self.file(what, &path).await,
            Wish::Build(anew, compute) => self.image(anew, compute).await,
            Wish::Disable(user, seen) => match self.stop(&user, seen).await {
                Ok(()) => self.changed(move |ground| disabled(ground, &user, true)).await,
                Err(why) => News::Not(None, why),
            },
            Wish::Enable(user) => self.changed(move |ground| disabled(ground, &user, false)).await,
            Wish::Put(order) => self.changed(move |ground| put(ground, &order)).await,
            Wish::Setup(settings) => self.changed(move |ground| setup(ground, &settings)).await,
            Wish::Remove(user, data) => self.changed(move |ground| remove(ground, &user, data)).await,
            Wish::Rotate(user) => self.changed(move |ground| rotate(ground, &user)).await,
        };
        self.tell(Msg::Workspaces(news)).await;
    }

    async fn read_book(&self) -> News {
        let paths = self.around.paths.clone();
        let read = tokio::task::spawn_blocking(move || Book::read(&paths)).await;
        let read = read.map_err(|error| error.to_string());
        let read = read.and_then(|read| read.map_err(|error| error.to_string()));
        News::Book(read.map(Box::new).map_err(|why| sanitize_text(&why)))
    }

    /// A change of the files, while nobody else changes them; the stages are read anew after it.
    async fn changed(&self, change: impl FnOnce(&mut Ground) -> Ended + Send + 'static) -> News {
        let paths = self.around.paths.clone();
        let done = tokio::task::spawn_blocking(move || {
            let (mut ground, _guard) = Ground::hold(&paths).map_err(|trouble| not(&trouble))?;
            change(&mut ground)
        });
        let done = done.await.unwrap_or_else(|error| Err((None, error.to_string())));
        self.read_stages().await;
        let book = self.read_book().await;
        self.tell(Msg::Workspaces(book)).await;
        match done {
            Ok(said) => News::Done(said.iter().map(|text| sanitize(text)).collect()),
            Err((key, why)) => News::Not(key, sanitize_text(&why)),
        }
    }

    /// Reads the stages at once, instead of at the next look at their files.
    async fn read_stages(&self) {
        let (paths, state) = (self.around.paths.clone(), self.around.paths.state.clone());
        let read = tokio::task::spawn_blocking(move || {
            Stages::new(Arc::new(workspace::catalog(&paths)), &Store::new(&state))
        });
        let Ok(stages) = read.await else { return };
        *self.catalog.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&stages.catalog);
        self.tell(Msg::Stages(Box::new(stages))).await;
        self.look.notify_one();
    }

    /// Asks the services of users, and what their workspaces use.
    async fn ask(&self, users: Vec<String>) -> News {
        let paths = self.around.paths.clone();
        let ground = tokio::task::spawn_blocking(move || Ground::look(&paths)).await;
        let Ok(Ok(ground)) = ground else {
            return News::Asked(BTreeMap::new());
        };
        let docker = self.engines.docker().await;
        let ask = |name: String| {
            let (ground, docker) = (&ground, &docker);
            async move {
                let user = ground.settings.users.get(&name)?;
                let lab = spec::lab(&name);
                let (reports, state) = match docker {
                    Ok(backend) => {
                        let files = (&ground.settings, &ground.ledger);
                        let reports = services::reports(backend.as_ref(), files, (&name, user));
                        tokio::join!(reports, backend.state(&lab))
                    }
                    Err(_) => return None,
                };
                let looked = Looked {
                    reports,
                    state: state.ok(),
                    at: milliseconds(),
                    share: None,
                };
                Some((name, looked))
            }
        };
        let asked = futures_util::stream::iter(users)
            .map(ask)
            .buffer_unordered(AT_ONCE);
        News::Asked(asked.filter_map(std::future::ready).collect().await)
    }

    /// Makes what a user needs before the container, and looks at ports and image; what is to be said.
    async fn ready(&self, pick: &Pick) -> Result<Vec<String>, String> {
        let user = spec::user_of(&pick.lab).unwrap_or_default().to_owned();
        let (paths, name) = (self.around.paths.clone(), user.clone());
        let made = tokio::task::spawn_blocking(move || {
            let (mut ground, _guard) = Ground::hold(&paths)?;
            users::ready(&mut ground, &[name])?;
            Ok::<_, Trouble>(ground)
        });
        let ground = made.await.map_err(|error| error.to_string())?;
        let ground = ground.map_err(|trouble| trouble.to_string())?;
        let docker = self.engines.docker().await.map_err(|away| away.why)?;
        let words = |error: crate::backend::Error| error.to_string();
        let world = World::glance(docker.as_ref()).await.map_err(words)?;
        let running = |name: &str| {
            let lab = spec::lab(name);
            let found = world.instance(&lab);
            found.is_some_and(|found| found.status == Status::Running)
                && world.presence(&lab) != Presence::Foreign
        };
        let notes = check_ports(&ground.collisions(&running), &[user])?;
        if matches!(pick.choice, Choice::Create | Choice::Recreate) {
            let name = ground.settings.image_name();
            if docker.image(&name).await.map_err(words)?.is_none() {
                return Err(format!("{}; here the key is b", no_image(&name)));
            }
        }
        if pick.choice == Choice::Recreate {
            // What answers now has to answer afterwards.
            let name = spec::user_of(&pick.lab).unwrap_or_default().to_owned();
            let asked = self.ask(vec![name]).await;
            self.tell(Msg::Workspaces(asked)).await;
        }
        self.read_stages().await;
        Ok(notes)
    }

    /// Stops what runs of a user, if it is what was seen.
    async fn stop(&self, user: &str, seen: Option<Seen>) -> Result<(), String> {
        match seen {
            Some(seen) => self.do_job(&Job::Stop(spec::lab(user), seen)).await.map(drop),
            None => Ok(()),
        }
    }

    /// Begins one service anew; whether it answers then the next look says.
    async fn restart_service(&self, user: &str, service: &str) -> News {
        let lab = spec::lab(user);
        let restarted = async {
            let parts = services::named(service).ok_or_else(|| format!("there is no service {service}"))?;
            let docker = self.engines.docker().await.map_err(|away| away.why)?;
            let scope = Scope::labs(&self.around.daemon, [lab.as_str()]);
            let who = format!("workspace restart {user} {service}");
            let _lock = Lock::take_for(&self.around.lock, &scope, &who).map_err(|error| error.to_string())?;
            services::restart(docker.as_ref(), &lab, parts).await
        };
        match restarted.await {
            Ok(said) => News::Done(vec![
                format!("{service} of {user} was begun anew; the table says whether it answers"),
                sanitize_text(&said),
            ]),
            Err(why) => News::Not(
                None,
                sanitize_text(&format!("{service} of {user} was not begun anew: {why}")),
            ),
        }
    }

    async fn image(&self, anew: bool, compute: String) -> News {
        if let Err(away) = self.engines.docker().await {
            return News::Not(None, sanitize_text(&away.why));
        }
        let paths = self.around.paths.clone();
        let planned = tokio::task::spawn_blocking(move || {
            let ground = Ground::look(&paths).map_err(|trouble| trouble.to_string())?;
            workspace_image(&ground.settings, &compute, anew).map_err(|error| error.to_string())
        });
        match planned.await {
            Ok(Ok((plan, said))) => News::Planned(Box::new(plan), sanitize(&said)),
            Ok(Err(why)) => News::Not(None, sanitize_text(&why)),
            Err(error) => News::Not(None, error.to_string()),
        }
    }
}

fn milliseconds() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(0))
}

/// Public keys as they were typed: one itself, or the file in which they are.
fn keys(typed: &str) -> Result<Option<String>, (Option<&'static str>, String)> {
    use std::io::Read as _;
    if typed.is_empty() || typed.contains(char::is_whitespace) {
        return Ok(Some(typed.to_owned()).filter(|key| !key.is_empty()));
    }
    let mut text = String::new();
    let read =
        std::fs::File::open(Path::new(typed)).and_then(|file| file.take(LONGEST).read_to_string(&mut text));
    match read {
        Ok(_) => Ok(Some(text)),
        Err(error) => Err((
            Some("keys"),
            format!("{} cannot be read: {error}", sanitize(typed)),
        )),
    }
}

fn put(ground: &mut Ground, order: &Order) -> Ended {
    let name = &order.name;
    let failed = |trouble: Trouble| not(&trouble);
    let mut user = match (order.new, ground.settings.users.get(name)) {
        (false, Some(user)) => user.clone(),
        (false, None) => return ground.user(name).map(|_| vec![]).map_err(failed),
        (true, _) => workspace::User::default(),
    };
    order.lay(&mut user).map_err(|(key, why)| (Some(key), why))?;
    let password = order.password.as_ref().map(|hidden| hidden.0.clone());
    let keys = keys(&order.keys)?;
    let mut said = if order.new {
        users::add(ground, name, &user, &Given { password, keys }).map_err(failed)?;
        vec![format!(
            "{name} is added; s starts the workspace; `halolab workspace secrets show {name}` prints the password"
        )]
    } else {
        let (changed, notes) = users::change(ground, name, &user).map_err(failed)?;
        let secrets = ground.secrets(name);
        let failed = |error| not(&Trouble::Secret(error));
        if let Some(password) = &password {
            secrets.rotate(Some(password)).map_err(failed)?;
        }
        if let Some(keys) = &keys {
            secrets.set_keys(keys).map_err(failed)?;
        }
        let text = if changed || password.is_some() || keys.is_some() {
            format!("{name} is changed; what runs gets it with its restart (R)")
        } else {
            format!("{name} is as it was")
        };
        [vec![text], notes].concat()
    };
    said.extend(users::warnings(&ground.settings, name, &user));
    said.extend(users::hints(ground, name, order.new));
    Ok(said)
}

fn disabled(ground: &mut Ground, name: &str, disabled: bool) -> Ended {
    users::set_disabled(ground, name, disabled).map_err(|trouble| not(&trouble))?;
    Ok(vec![if disabled {
        format!("{name} is disabled: it is not started until x enables it")
    } else {
        format!("{name} is enabled; s starts it")
    }])
}

fn remove(ground: &mut Ground, name: &str, data: bool) -> Ended {
    users::remove(ground, name, data).map_err(|trouble| not(&trouble))?;
    Ok(vec![if data {
        format!("{name} is removed, with all data")
    } else {
        format!("{name} is removed; the data stays, and the ports are kept for who comes back")
    }])
}

fn rotate(ground: &mut Ground, name: &str) -> Ended {
    ground.user(name).map_err(|trouble| not(&trouble))?;
    let rotated = ground.secrets(name).rotate(None);
    rotated.map_err(|error| not(&Trouble::Secret(error)))?;
    Ok(vec![format!(
        "{name} has new passwords: `halolab workspace secrets show {name}` prints them; they count after a restart (R)"
    )])
}

fn setup(ground: &mut Ground, settings: &Settings) -> Ended {
    let before = ground.settings.clone();
    let settings = Settings {
        users: before.users.clone(),
        ..settings.clone()
    };
    if settings == before {
        return Ok(vec!["nothing was changed".into()]);
    }
    let mut said = vec!["workspaces.toml is written".to_owned()];
    said.extend(ground.stays(&settings).map_err(|why| (Some("root"), why))?);
    ground.settings =
        edit::put_settings(&ground.places.settings, &settings).map_err(|error| not(&Trouble::Edit(error)))?;
    said.extend(workspace::ground::opened(&before, &ground.settings));
    Ok(said)
}
