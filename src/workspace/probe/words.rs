//! What the answers of a service mean, and what to do about it.

use super::{
    super::spec::user_of,
    Answer, Health, Inside, Probed, Report,
    supervisor::{Program, State},
};

/// Seconds in which a service may be silent after its start: code-server took half a minute on two busy cores.
const STARTING: u64 = 120;

pub(super) fn report(lab: &str, service: &str, inside: &Inside, probed: Option<&Probed>) -> Report {
    let program = inside.program(service);
    let (health, words, advice) = judged(lab, service, inside, probed);
    Report {
        service: service.to_owned(),
        health,
        words,
        advice,
        program: program.cloned(),
        probed: probed.cloned(),
    }
}

fn judged(lab: &str, service: &str, inside: &Inside, probed: Option<&Probed>) -> (Health, String, String) {
    let program = inside.program(service);
    if let Some(probed) = probed.filter(|probed| probed.answer == Answer::Speaks) {
        return speaks(lab, service, probed);
    }
    if let Some((_, why)) = inside.refused.iter().find(|(name, _)| name == service) {
        return (Health::LeftOut, format!("left out: {why}"), left_out(service));
    }
    if let Some(trouble) = &inside.trouble {
        let said = probed.map_or(String::new(), |probed| format!("{}; ", told(probed)));
        return (
            Health::Down,
            format!("{said}supervisor cannot be asked: {trouble}"),
            format!(
                "`halolab status {lab}` says whether the workspace runs; what it wrote at its start says why not"
            ),
        );
    }
    let Some(program) = program else {
        return (
            Health::Down,
            format!("supervisor knows no program {service}"),
            "the workspace started without it: WS_SERVICES of its container says what it starts with"
                .to_owned(),
        );
    };
    if service == "dind" {
        return dind(lab, program, inside.dind.as_deref());
    }
    match program.state {
        State::Running => running(lab, program, probed),
        State::Starting => (Health::Starting, "it is being started".to_owned(), String::new()),
        _ => dead(lab, program),
    }
}

fn log_of(lab: &str, service: &str) -> String {
    let user = user_of(lab).unwrap_or(lab);
    format!("`halolab workspace logs {user} {service}` shows what it wrote")
}

fn anew(lab: &str, service: &str) -> String {
    let user = user_of(lab).unwrap_or(lab);
    format!("`halolab workspace restart {user} {service}` begins it anew")
}

fn speaks(lab: &str, service: &str, probed: &Probed) -> (Health, String, String) {
    if !probed.open {
        return (Health::Up, probed.said.clone(), String::new());
    }
    let words = format!("{}: it asks for no password", probed.said);
    let advice = format!(
        "whoever reaches {} is in: give {lab} a password, then restart {service}",
        probed.address
    );
    (Health::Warning, words, advice)
}

/// What runs by supervisor's word, and does not answer at its port.
fn running(lab: &str, program: &Program, probed: Option<&Probed>) -> (Health, String, String) {
    let Some(probed) = probed else {
        return (Health::Up, program.detail.clone(), String::new());
    };
    let service = program.name.as_str();
    let young = program.uptime.is_some_and(|uptime| uptime < STARTING);
    let words = told(probed);
    let log = log_of(lab, service);
    match probed.answer {
        Answer::Closed | Answer::Silent | Answer::Fails if young => (Health::Starting, words, String::new()),
        Answer::Closed => {
            let words = format!("{words} at {}, though its program runs", probed.address);
            (
                Health::Down,
                words,
                format!("{log}; the container's ports may be others than the planned ones"),
            )
        }
        Answer::Stranger => {
            let advice = format!(
                "another program of this machine may have {}: see who with `ss -ltnp`",
                probed.address
            );
            (Health::Down, format!("something else answers: {words}"), advice)
        }
        Answer::Unreachable => {
            let advice = format!(
                "{} is no address of this machine, or its firewall drops it",
                probed.address.ip()
            );
            (Health::Down, words, advice)
        }
        Answer::Fails if words.contains("security failures") => (
            Health::Warning,
            words,
            "VNC locks out for some seconds after wrong passwords: wait, then try again".to_owned(),
        ),
        _ => {
            let restart = anew(lab, service);
            (Health::Down, words, format!("{log}; {restart}"))
        }
    }
}

fn dead(lab: &str, program: &Program) -> (Health, String, String) {
    let Program {
        name, state, detail, ..
    } = program;
    let log = log_of(lab, name);
    let hint = match name.as_str() {
        "vnc" => "; a screen that another program holds is freed by a restart of the workspace",
        "rdp" => "; its keys are below /var/lib/state/xrdp, which must be writable",
        "ssh" => "; its keys are below /var/lib/state/ssh, which must be writable",
        "code" | "jupyter" | "tensorboard" => "; a full home ends it at its start: see `df -h`",
        _ => "",
    };
    let restart = anew(lab, name);
    let words = match state {
        State::Fatal => format!("it ended too soon again and again, and is not begun anew: {detail}"),
        State::Backoff => format!("it ends too soon, and is begun again: {detail}"),
        State::Stopped | State::Stopping => "somebody stopped it".to_owned(),
        _ => format!("it ended: {detail}"),
    };
    (Health::Down, words, format!("{log}{hint}; {restart}"))
}

fn dind(lab: &str, program: &Program, answer: Option<&str>) -> (Health, String, String) {
    match (program.state, answer) {
        (State::Running, Some("OK")) => (Health::Up, "the engine inside answers".to_owned(), String::new()),
        (State::Running, _) if program.uptime.is_some_and(|uptime| uptime < STARTING) => (
            Health::Starting,
            "the engine inside does not answer yet".to_owned(),
            String::new(),
        ),
        (State::Running, _) => {
            let log = log_of(lab, "dind");
            (Health::Down, "the engine inside does not answer".to_owned(), log)
        }
        (State::Starting, _) => (Health::Starting, "it is being started".to_owned(), String::new()),
        _ => dead(lab, program),
    }
}

fn left_out(service: &str) -> String {
    match service {
        "dind" => "Docker inside is a choice of its own for each user".to_owned(),
        _ => "give the user a password, or an image with it, and make the workspace anew".to_owned(),
    }
}

fn told(probed: &Probed) -> String {
    match probed.answer {
        Answer::Unreachable => format!("{} cannot be reached: {}", probed.address, probed.said),
        _ => probed.said.clone(),
    }
}
