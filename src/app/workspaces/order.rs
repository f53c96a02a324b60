//! The forms of the workspaces' screen: a user's limits, rights and secrets, and what is said of all of them. What is typed
//! is judged by the same rules as options of the verbs.

use crate::{
    app::form::Form,
    host::Facts,
    stage::{Answer, Answers, Field},
    workspace::{
        Ground, Service, Settings, User,
        limits::{Limits, Wrong},
        settings::check_name,
        users,
    },
};

use super::{
    Hidden,
    fields::{ALL, LIMITS, WHO, answers_of, answers_of_all, field, stage},
};

/// What is filled in, and of whom.
#[derive(Clone, Debug)]
pub struct UserForm {
    /// The fields.
    pub form: Form,
    /// Whose.
    pub of: Subject,
}

/// Whose form it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Somebody new.
    New,
    /// A user.
    User(String),
    /// All of them.
    Settings,
}

/// A user as the form says, new or changed.
#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    /// Their name.
    pub name: String,
    /// They are to be added.
    pub new: bool,
    /// Limits and rights.
    pub limits: Limits,
    /// A password that was typed.
    pub password: Option<Hidden>,
    /// Public keys, or the file in which they are; empty is nothing new.
    pub keys: String,
}

/// A field that is wrong, and why.
pub type Complaint = (&'static str, String);

fn form(name: &str, fields: Vec<Field>, former: &Answers, button: (&'static str, &'static str)) -> Form {
    let mut form = Form::new(name, &stage(fields), &Facts::new(), former);
    form.button = button;
    form
}

impl UserForm {
    /// Of somebody new.
    pub fn new_user() -> Self {
        let fields = WHO.iter().chain(&LIMITS);
        let fields = fields.map(|f| field(*f)).collect();
        let button = (
            "Add",
            "slot, folders and secrets are made; nothing is started yet",
        );
        Self {
            form: form("a new user", fields, &answers_of(&User::default()), button),
            of: Subject::New,
        }
    }

    /// Of a user.
    pub fn of(name: &str, user: &User) -> Self {
        let fields = LIMITS.iter().chain(WHO.iter().filter(|f| f.0 != "name"));
        let fields = fields.map(|f| field(*f)).collect();
        let button = ("Change", "what runs gets it with its next restart");
        Self {
            form: form(name, fields, &answers_of(user), button),
            of: Subject::User(name.to_owned()),
        }
    }

    /// Of all users.
    pub fn settings(settings: &Settings) -> Self {
        let fields = ALL.iter().map(|f| field(*f)).collect();
        let button = ("Save", "workspaces.toml is written; nothing is started or built");
        Self {
            form: form("all workspaces", fields, &answers_of_all(settings), button),
            of: Subject::Settings,
        }
    }

    /// Says what is wrong at its field, and goes there. What has no field is the answer.
    pub fn complain(&mut self, (key, why): (&str, String)) -> Option<String> {
        let id = key.replace('-', "_");
        let id = if id == "docker" {
            "docker_inside".to_owned()
        } else {
            id
        };
        let fields = &self.form.fields;
        if !fields.iter().any(|f| f.field.id == id) {
            return Some(why);
        }
        self.form.point_at(&id, why);
        None
    }

    /// The user as it says; all that can be known of it without looking is looked at.
    ///
    /// # Errors
    /// The first field that is wrong.
    pub fn order(&self, ground: &Ground) -> Result<Order, Complaint> {
        let answers = self.form.answers();
        let line = |id: &str| match answers.get(id) {
            Some(Answer::Text(text)) => text.clone(),
            _ => String::new(),
        };
        let (name, before) = match &self.of {
            Subject::User(name) => (name.clone(), ground.settings.users.get(name).cloned()),
            _ => (line("name"), None),
        };
        let new = self.of == Subject::New;
        if new {
            check_name(&name).map_err(|why| ("name", why))?;
        }
        if line("password") != line("again") {
            return Err(("again", "the two passwords are not the same".into()));
        }
        let order = Order {
            limits: limits(&answers)?,
            password: Some(line("password"))
                .filter(|typed| !typed.is_empty())
                .map(Hidden),
            keys: line("keys"),
            name,
            new,
        };
        let mut user = before.unwrap_or_default();
        order.lay(&mut user)?;
        if new {
            users::may_be_added(ground, &order.name, &user).map_err(|error| ("name", error.to_string()))?;
        }
        Ok(order)
    }

    /// What is said of all users.
    ///
    /// # Errors
    /// The first field that is wrong.
    pub fn all(&self, before: &Settings) -> Result<Settings, Complaint> {
        let answers = self.form.answers();
        let line = |id: &str| match answers.get(id) {
            Some(Answer::Text(text)) => text.clone(),
            _ => String::new(),
        };
        let number = |id: &'static str| {
            let wrong = |_| (id, "must be a number up to 65535".to_owned());
            line(id).parse::<u16>().map_err(wrong)
        };
        let words = |text: &str| -> Vec<String> {
            let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
            words.map(str::to_owned).collect()
        };
        let mut settings = before.clone();
        settings.root = line("root").into();
        settings.base_port = number("base_port")?;
        settings.block = number("block")?;
        let wrong = |_| ("bind", "must be an address, as 127.0.0.1".to_owned());
        settings.bind = line("bind").parse().map_err(wrong)?;
        settings.reserved = words(&line("reserved"));
        if let Some(Answer::List(profiles)) = answers.get("profiles") {
            settings.profiles.clone_from(profiles);
        }
        settings.base = line("base");
        settings.image = line("image");
        settings.domain = line("domain");
        settings.nested_runtime = line("nested_runtime");
        Ok(settings)
    }
}

impl Order {
    /// Lays it over a user.
    ///
    /// # Errors
    /// The first field that is wrong.
    pub fn lay(&self, user: &mut User) -> Result<(), Complaint> {
        let wrong = |wrong: Wrong| (wrong.key, wrong.why.to_owned());
        self.limits.clone().lay(user).map_err(wrong)?;
        user.problems(&self.name).into_iter().next().map_or(Ok(()), Err)
    }
}

fn limits(answers: &Answers) -> Result<Limits, Complaint> {
    let line = |id: &str| match answers.get(id) {
        Some(Answer::Text(text)) => text.clone(),
        _ => String::new(),
    };
    let flag = |id: &str| answers.get(id) == Some(&Answer::Bool(true));
    let number = |id: &'static str| {
        let wrong = |_| (id, "must be a number".to_owned());
        line(id).parse::<u32>().map_err(wrong)
    };
    let services = match answers.get("services") {
        Some(Answer::List(names)) => names.iter().filter_map(|name| Service::named(name)).collect(),
        _ => vec![],
    };
    let uid = if line("uid").is_empty() {
        None
    } else {
        Some(number("uid")?)
    };
    let shm = Some(line("shm")).filter(|size| !size.is_empty());
    Ok(Limits {
        memory: Some(line("memory")),
        memory_reservation: Some(line("memory_reservation")),
        swap: Some(line("swap")),
        cpus: Some(line("cpus")),
        shm,
        processes: Some(number("processes")?),
        gpus: Some(line("gpus")),
        gpus_until: Some(line("gpus_until")),
        gpus_shared: Some(flag("gpus_shared")),
        services: Some(services),
        bind: Some(line("bind")),
        docker_inside: Some(flag("docker_inside")),
        privileged: Some(line("privileged")),
        uid,
    })
}
