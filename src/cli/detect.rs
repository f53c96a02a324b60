//! `halolab detect`: what this machine is made of, and what that means for labs.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::{
    backend::lxd::address_of,
    host::{
        self, Report,
        detect::Machine,
        docker::{self, Choice, Passing, Way},
        matrix::{self, Matrix},
    },
    log::{sanitize, sanitize_text},
    paths::Paths,
    stage::size::human,
};

use super::{
    Code, Global, Stop, doctor,
    table::{foreign_json, note, out},
};

/// Arguments of `detect`.
#[derive(Debug, Args)]
pub struct DetectArgs {
    /// Look at this folder instead of /: a tree of files, or a captured host.
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// Say how a container of Docker or Podman gets the GPU: as arguments, for compose, and (--json) as the part of
    /// Docker's create body.
    // Of the same type as the option of every verb, whose place it takes here.
    #[arg(long, value_name = "SOCKET|URL", num_args = 0..=1, default_missing_value = "")]
    docker: Option<String>,
    /// Which GPUs the container is to get: all, none, amd, nvidia, intel, PCI addresses or UUIDs; without it what labs
    /// compute with here.
    #[arg(long, value_name = "GPU", requires = "docker", value_delimiter = ',')]
    gpu: Vec<String>,
    /// The CUDA of the container's image (12.9.1): says whether the driver and the GPUs run it, and what does instead.
    #[arg(long, value_name = "VERSION", requires = "docker", value_parser = version)]
    image_cuda: Option<String>,
}

/// A version, as `12.9.1`.
fn version(text: &str) -> Result<String, String> {
    if matrix::version::is_dotted(text) {
        Ok(text.to_owned())
    } else {
        Err("a version is dotted numbers, as 12.9.1".to_owned())
    }
}

/// The report, with what was asked beside it.
#[derive(serde::Serialize)]
struct Document<'a> {
    #[serde(flatten)]
    report: &'a Report,
    #[serde(skip_serializing_if = "Option::is_none")]
    docker: Option<&'a Passing>,
}

pub(super) async fn detect(global: &Global, args: DetectArgs) -> Result<Code, Stop> {
    let report = look(args.root.as_deref(), &address_of(global.lxd.as_deref())).await?;
    let passing = if args.docker.is_some() {
        let choice = Choice::of(&args.gpu);
        let passing = passing(
            &report.machine,
            args.root.as_deref(),
            &choice,
            args.image_cuda.as_deref(),
        );
        Some(
            passing
                .await
                .map_err(|unknown| Stop::usage(sanitize(&unknown.to_string())))?,
        )
    } else {
        None
    };
    if global.json {
        foreign_json(&Document {
            report: &report,
            docker: passing.as_ref(),
        })?;
    } else if let Some(passing) = &passing {
        out(&sanitize_text(&words(passing)));
    } else {
        out(&sanitize_text(&text(&report)));
    }
    Ok(Code::OK)
}

/// How a container gets the GPUs; the engine is asked where it is that of this machine.
pub(super) async fn passing(
    machine: &Machine,
    root: Option<&Path>,
    choice: &Choice,
    cuda: Option<&str>,
) -> Result<Passing, docker::Unknown> {
    let root = root.unwrap_or_else(|| Path::new("/"));
    docker::passing(machine, root, &matrix(), choice, cuda).await
}

/// The same for people.
fn words(passing: &Passing) -> String {
    let engine = &passing.engine;
    let mut lines = vec![format!("Engine    {}", engine.name())];
    for gpu in &passing.gpus {
        let way = match gpu.way {
            Way::Cdi => "by its CDI name",
            Way::Nvidia => "by the engine's nvidia driver",
            Way::Nodes => "by its device nodes",
        };
        let place = gpu.pci.as_deref().unwrap_or_default();
        lines.push(format!("GPU       {}  {place}  {way}", gpu.name));
    }
    if passing.gpus.is_empty() {
        lines.push("GPU       none gets in".to_owned());
    }
    if let Some(image) = &passing.image {
        let runs = image
            .why
            .as_deref()
            .map_or_else(|| "runs here".to_owned(), |why| format!("does not run: {why}"));
        lines.push(format!("Image     CUDA {}: {runs}", image.cuda));
        lines.extend(
            image
                .nearest
                .iter()
                .map(|near| format!("          CUDA {near} runs here")),
        );
    }
    if !passing.ask.is_empty() {
        lines.push("\nSay which one is meant:".to_owned());
        lines.extend(
            passing
                .ask
                .iter()
                .map(|id| format!("  halolab detect --docker --gpu {id}")),
        );
    }
    lines.extend(passing.why.iter().map(|why| format!("Why       {why}")));
    for refused in &passing.refused {
        lines.push(format!("Not       {}: {}", refused.what, refused.why));
        lines.extend(refused.fix.iter().map(|fix| format!("          fix: {fix}")));
    }
    if !passing.arguments.is_empty() {
        let program = engine.kind.program();
        lines.push(format!(
            "\n{program} run {} IMAGE",
            docker::shell(&passing.arguments)
        ));
        lines.push("\nservices:\n  NAME:".to_owned());
        lines.extend(passing.compose.lines().map(|line| format!("    {line}")));
    }
    lines.join("\n")
}

/// Looks at a machine, with the user's additions to the matrix; their mistakes are said.
pub(super) async fn look(root: Option<&Path>, engine: &str) -> Result<Report, Stop> {
    if let Some(root) = root.filter(|root| !root.is_dir()) {
        return Err(Stop::usage(format!(
            "{} is not a folder: give the root of a tree, or a captured host",
            sanitize(&root.display().to_string())
        )));
    }
    let matrix = matrix();
    let report = Report::of(root.unwrap_or_else(|| Path::new("/")), &matrix).await;
    // Another tree has its own sockets.
    Ok(if root.is_none() {
        report.speaking_to(engine)
    } else {
        report
    })
}

fn matrix() -> Matrix {
    // Without a home there are no additions; that is no reason to say nothing of the machine.
    let folders = Paths::discover().map_or_else(|_| vec![], |paths| paths.matrix);
    let (matrix, problems) = matrix::overlay(&folders);
    for problem in problems {
        note(&sanitize_text(&format!(
            "warning: this file of the matrix is left out\n{problem}"
        )));
    }
    matrix
}

/// The rows of the host's screen, and the findings.
fn text(report: &Report) -> String {
    let judgement = &report.judgement;
    let rows = host::words::rows(&report.machine, judgement, human).into_iter();
    let mut lines: Vec<String> = rows.map(|(label, text)| format!("{label:<10}{text}")).collect();
    if judgement.findings.is_empty() {
        lines.push("\nNothing found that is wrong.".to_owned());
    } else {
        lines.push(String::new());
        lines.extend(judgement.findings.iter().map(doctor::text));
    }
    lines.join("\n")
}
