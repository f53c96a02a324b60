//! The image of all workspaces, built as a plan of one action.

use std::collections::BTreeMap;

use crate::{
    backend::Engine,
    host::{Fact, certificates},
    plan::{Action, Losses, Plan, Step, Undo, planner},
    workspace::{
        Settings,
        image::{self, Base, Choice, Gpu, Recipe},
    },
};

use super::{
    super::{
        Code, Setup, Stop,
        consent::agree_and_run,
        plan::{Consent, Planned},
        table::note,
    },
    Ground,
};

pub(super) async fn build(setup: &Setup, anew: bool, consent: &Consent) -> Result<Code, Stop> {
    let ground = Ground::look(setup)?;
    let compute = match setup.facts().get("compute") {
        Some(Fact::Text(compute)) => compute.as_str(),
        _ => "",
    };
    let (plan, said) = workspace_image(&ground.settings, compute, anew).map_err(Stop::usage)?;
    setup.docker().await.map_err(Stop::blocked)?;
    note(&said);
    let planned = Planned {
        plan,
        secrets: BTreeMap::new(),
        wakes: false,
    };
    agree_and_run(setup, planned, consent).await
}

/// The plan that builds the image of these settings, and what it comes to; `compute` is what the machine computes with.
///
/// # Errors
/// A profile is not known, or they do not go together.
pub(crate) fn workspace_image(
    settings: &Settings,
    compute: &str,
    anew: bool,
) -> Result<(Plan, String), image::ImageError> {
    let choice = Choice {
        profiles: settings.profiles.clone(),
        base: Base::named(&settings.base),
        gpu: Gpu::of_host(compute),
        authorities: certificates::added(std::path::Path::new("/")),
        code_server: None,
    };
    let mut recipe = image::recipe(&choice, &settings.image_name())?;
    recipe.build.network.clone_from(&settings.build.network);
    recipe.build.proxy = settings.build.proxy();
    let said = format!(
        "the image {} with {}: {}",
        settings.image_name(),
        names(&recipe),
        recipe.estimate
    );
    let plan = Plan {
        version: planner::VERSION,
        host: vec![action(recipe, anew)],
        labs: vec![],
        losses: Losses::default(),
    };
    Ok((plan, said))
}

fn names(recipe: &Recipe) -> String {
    let names: Vec<&str> = recipe
        .profiles
        .iter()
        .map(|profile| profile.id.as_str())
        .collect();
    names.join(", ")
}

fn action(recipe: Recipe, anew: bool) -> Action {
    let alias = &recipe.build.alias;
    let arguments = recipe.build.arguments.iter();
    let arguments: Vec<String> = arguments
        .map(|(key, value)| format!("--build-arg {key}={value}"))
        .collect();
    let mut arguments = arguments.join(" ");
    if !recipe.build.network.is_empty() {
        arguments = format!("--network {} {arguments}", recipe.build.network);
    }
    Action {
        id: format!("{}/workspace-image", planner::HOST),
        sentence: format!(
            "build the image {alias} with the profiles {}; workspaces keep theirs until `halolab workspace update`",
            names(&recipe)
        ),
        command: format!("docker build -t {alias} {arguments} ."),
        destroys: None,
        undo: Undo::Nothing,
        seconds: u32::try_from(recipe.estimate.seconds).unwrap_or(u32::MAX),
        optional: false,
        engine: Engine::Docker,
        step: Step::BuildImage {
            build: crate::backend::docker::Build { anew, ..recipe.build },
            files: recipe.files,
        },
    }
}
