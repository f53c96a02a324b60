//! The image of all workspaces: which profiles there are, what they come to, and the files that an engine builds it from.
//!
//! A profile is a folder of `assets/workspace`: `build/install.sh` is one step of the build, `root/` its own files below
//! `/`. The Dockerfile is written here and nowhere else. The user is none of it: the image's first program makes the user
//! at each start, out of the container's environment.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

use include_dir::{Dir, include_dir};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::backend::docker::Build;

static FILES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/assets/workspace");
static PROFILES: LazyLock<Vec<Profile>> = LazyLock::new(|| {
    toml::from_str::<Data>(include_str!("../../assets/workspace/profiles.toml"))
        .map(|data| data.profile)
        .unwrap_or_default()
});

/// The repository of the image's name.
pub const NAME: &str = "halolab/workspace";
/// The label with the version of halolab that made the image.
pub const VERSION: &str = "io.halolab.workspace.version";
/// The label with the SHA-256 of what the image was made from ([`Recipe::content`]).
pub const CONTENT: &str = "io.halolab.workspace.content";
/// The label with the profiles, by commas.
pub const HAS: &str = "io.halolab.workspace.profiles";
/// Megabytes of a bootstrapped Debian, before any profile; measured.
const BASE_MEGABYTES: u64 = 156;
/// Seconds of code-server's profile where it comes as an archive: a download.
const ARCHIVE_SECONDS: u64 = 60;
/// Folders of each recipe.
const ALWAYS: &str = "common";
/// Where tools look for authorities; each has a variable of its own.
const BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Data {
    profile: Vec<Profile>,
}

/// A part of the image that can be chosen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Its name in settings and on the command line.
    pub id: String,
    /// Its name for people.
    pub title: String,
    /// What is in it.
    pub summary: String,
    /// Profiles that it stands on.
    #[serde(default)]
    pub needs: Vec<String>,
    /// What it adds to the image, in megabytes: measured on Debian 12, each on the ones it needs.
    pub megabytes: u64,
    /// How long its step takes, in seconds: measured on two cores that had other work, so rather an upper bound.
    pub seconds: u64,
    /// Size and time are not measured, but put together from the sizes of its packages.
    #[serde(default)]
    pub estimated: bool,
    /// Megabytes on top for a kind of GPU, by its name in [`Gpu::name`].
    #[serde(default)]
    pub extra: BTreeMap<String, u64>,
    /// What runs in a workspace with it, by the names of `WS_SERVICES`.
    #[serde(default)]
    pub services: Vec<String>,
    /// What one should know before choosing it.
    #[serde(default)]
    pub notes: Vec<String>,
}

/// All profiles, in the order in which they are built.
pub fn profiles() -> &'static [Profile] {
    &PROFILES
}

/// What the image stands on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Base {
    /// Debian 12 of the registry: all profiles were built on it.
    #[default]
    Debian,
    /// Ubuntu 24.04 of the registry; its browsers are snaps.
    Ubuntu,
    /// Ubuntu 24.04 with CUDA's libraries and compiler. PyTorch and JAX bring their own: it is for who compiles.
    Cuda,
    /// An image that the engine has or can fetch, such as a bootstrapped Debian.
    Image(String),
}

impl Base {
    /// The name that the engine knows it by.
    pub fn reference(&self) -> &str {
        match self {
            Self::Debian => "debian:bookworm",
            Self::Ubuntu => "ubuntu:24.04",
            Self::Cuda => "nvidia/cuda:12.9.1-devel-ubuntu24.04",
            Self::Image(name) => name,
        }
    }

    /// Out of what a user wrote: `debian`, `ubuntu`, `cuda`, else an image's name.
    pub fn named(text: &str) -> Self {
        match text {
            "" | "debian" => Self::Debian,
            "ubuntu" => Self::Ubuntu,
            "cuda" => Self::Cuda,
            name => Self::Image(name.to_owned()),
        }
    }

    /// Megabytes of it. CUDA's is what its registry tells of the compressed layers, unpacked.
    fn megabytes(&self) -> u64 {
        match self {
            Self::Cuda => 7000,
            _ => BASE_MEGABYTES,
        }
    }
}

/// What the profile `ml` computes with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Gpu {
    /// The processor alone.
    #[default]
    Cpu,
    /// NVIDIA.
    Cuda,
    /// AMD.
    Rocm,
}

impl Gpu {
    /// Out of the fact `host.compute`; a machine with both kinds computes with NVIDIA's, unless the user says otherwise.
    pub fn of_host(compute: &str) -> Self {
        match compute {
            "cuda" | "ask" => Self::Cuda,
            "rocm" => Self::Rocm,
            _ => Self::Cpu,
        }
    }

    /// As the build is told.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Cuda => "cuda",
            Self::Rocm => "rocm",
        }
    }
}

/// Why no recipe comes of a choice.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    /// No such profile.
    #[error("there is no profile `{name}` of workspaces{}; there are: {known}", meant(.near.as_deref()))]
    Unknown {
        /// What was asked for.
        name: String,
        /// What was probably meant.
        near: Option<String>,
        /// All there are.
        known: String,
    },
    /// The base's name would be more than a name in the Dockerfile.
    #[error("`{0}` is no name of an image: give one as in `docker image ls`, such as debian:bookworm")]
    Base(String),
    /// The archive has no sum.
    #[error(
        "the archive of code-server needs its SHA-256 behind it, as https://…tar.gz#sha256=DIGEST; to see it, type \
         `curl -fsSL URL | sha256sum` where you trust the way to it"
    )]
    Archive,
}

fn meant(name: Option<&str>) -> String {
    name.map(|name| format!(", did you mean `{name}`?"))
        .unwrap_or_default()
}

/// What the image is to be made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// Profiles by name; those that they need come by themselves, and `base` always.
    pub profiles: Vec<String>,
    /// What it stands on.
    pub base: Base,
    /// What it computes with.
    pub gpu: Gpu,
    /// Certificates of authorities that someone added to this machine, as PEM: a company's proxy.
    pub authorities: Vec<String>,
    /// An archive of code-server's releases as `URL#sha256=DIGEST`; without one it is built from npm's registry.
    pub code_server: Option<String>,
}

/// Size and time of a build, before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Estimate {
    /// The whole image, in megabytes.
    pub megabytes: u64,
    /// All steps, in seconds, on two busy cores.
    pub seconds: u64,
    /// All of it was measured.
    pub measured: bool,
}

impl std::fmt::Display for Estimate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (whole, tenths) = (self.megabytes / 1000, self.megabytes % 1000 / 100);
        let minutes = self.seconds.div_ceil(60);
        write!(f, "about {whole}.{tenths} GB and {minutes} min on two busy cores")?;
        f.write_str(if self.measured { "" } else { ", partly estimated" })
    }
}

/// What an engine needs to build the image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipe {
    /// The profiles, in their order.
    pub profiles: Vec<&'static Profile>,
    /// All files, the Dockerfile among them. A text that begins with `#!` is one that can be started.
    pub files: BTreeMap<String, String>,
    /// What the engine is told; its folder is the caller's.
    pub build: Build,
    /// SHA-256 of files and arguments, in hex: another one is another image.
    pub content: String,
    /// What it comes to.
    pub estimate: Estimate,
}

impl Recipe {
    /// What can run in a workspace of this image, by the names of `WS_SERVICES`.
    pub fn services(&self) -> Vec<&str> {
        let of = |profile: &&'static Profile| profile.services.iter().map(String::as_str);
        self.profiles.iter().flat_map(of).collect()
    }

    /// Whether an image with these labels is what this recipe would make.
    pub fn made(&self, labels: &BTreeMap<String, String>) -> bool {
        labels.get(CONTENT) == Some(&self.content)
    }
}

/// What of an image's labels says how it was made: version of halolab and profiles. None where it is none of ours.
pub fn told(labels: &BTreeMap<String, String>) -> Option<(String, Vec<String>)> {
    let version = crate::log::sanitize(labels.get(VERSION)?);
    let profiles = crate::log::sanitize(labels.get(HAS)?);
    Some((version, profiles.split(',').map(str::to_owned).collect()))
}

/// The image's name where the settings name none: one of each version of the program.
pub fn default_name() -> String {
    format!("{NAME}:{}", env!("CARGO_PKG_VERSION"))
}

/// The profiles of a choice with those that they need, in the order of the build.
pub fn resolve(names: &[String]) -> Result<Vec<&'static Profile>, ImageError> {
    let mut wanted = BTreeSet::from(["base"]);
    let mut open: Vec<&str> = names.iter().map(String::as_str).collect();
    while let Some(name) = open.pop() {
        let Some(profile) = profiles().iter().find(|profile| profile.id == name) else {
            return Err(unknown(name));
        };
        if wanted.insert(&profile.id) {
            open.extend(profile.needs.iter().map(String::as_str));
        }
    }
    let chosen = profiles()
        .iter()
        .filter(|profile| wanted.contains(profile.id.as_str()));
    Ok(chosen.collect())
}

fn unknown(name: &str) -> ImageError {
    let ids = profiles().iter().map(|profile| profile.id.as_str());
    let near = ids.clone().find(|id| strsim::damerau_levenshtein(id, name) <= 2);
    ImageError::Unknown {
        name: crate::log::sanitize(name),
        near: near.map(str::to_owned),
        known: ids.collect::<Vec<_>>().join(", "),
    }
}

/// What a choice comes to.
pub fn estimate(choice: &Choice) -> Result<Estimate, ImageError> {
    let profiles = resolve(&choice.profiles)?;
    let mut estimate = Estimate {
        megabytes: choice.base.megabytes(),
        seconds: 0,
        measured: choice.base != Base::Cuda,
    };
    for profile in profiles {
        estimate.megabytes += profile.megabytes + profile.extra.get(choice.gpu.name()).unwrap_or(&0);
        estimate.seconds += match &choice.code_server {
            Some(_) if profile.id == "code" => ARCHIVE_SECONDS,
            _ => profile.seconds,
        };
        estimate.measured &= !profile.estimated;
    }
    Ok(estimate)
}

/// The files and arguments of a choice, for an image of this name.
pub fn recipe(choice: &Choice, name: &str) -> Result<Recipe, ImageError> {
    let profiles = resolve(&choice.profiles)?;
    let arguments = arguments(choice, &profiles)?;
    let mut files = BTreeMap::from([("Dockerfile".to_owned(), dockerfile(&profiles))]);
    for folder in profiles.iter().map(|profile| profile.id.as_str()).chain([ALWAYS]) {
        if let Some(folder) = FILES.get_dir(folder) {
            collect(folder, &mut files);
        }
    }
    // a folder that is copied must not be empty
    files.insert(
        "ca/README".into(),
        "Authorities that someone added to this machine.\n".into(),
    );
    for (number, pem) in choice.authorities.iter().enumerate() {
        files.insert(format!("ca/halolab-{number}.crt"), pem.clone());
    }
    let content = content(&files, &arguments);
    let has: Vec<&str> = profiles.iter().map(|profile| profile.id.as_str()).collect();
    let labels = [
        (VERSION, env!("CARGO_PKG_VERSION").to_owned()),
        (CONTENT, content.clone()),
        (HAS, has.join(",")),
        ("io.halolab.workspace.base", choice.base.reference().to_owned()),
        ("io.halolab.workspace.gpu", choice.gpu.name().to_owned()),
    ];
    let build = Build {
        alias: name.to_owned(),
        arguments,
        labels: labels.map(|(key, value)| (key.to_owned(), value)).into(),
        ..Build::default()
    };
    let estimate = estimate(choice)?;
    Ok(Recipe {
        profiles,
        files,
        build,
        content,
        estimate,
    })
}

/// Only what a chosen profile asks for: an argument is part of the content.
fn arguments(choice: &Choice, profiles: &[&Profile]) -> Result<BTreeMap<String, String>, ImageError> {
    let has = |id: &str| profiles.iter().any(|profile| profile.id == id);
    let base = choice.base.reference();
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-/:@".contains(c);
    if base.is_empty() || !base.chars().all(plain) || !base.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return Err(ImageError::Base(crate::log::sanitize(base)));
    }
    let mut arguments = BTreeMap::from([("BASE".to_owned(), base.to_owned())]);
    if has("ml") {
        arguments.insert("WS_GPU".to_owned(), choice.gpu.name().to_owned());
    }
    if let Some(archive) = choice.code_server.as_ref().filter(|_| has("code")) {
        let sum = archive.split_once("#sha256=").map(|(_, sum)| sum);
        let is_hex = |sum: &str| sum.len() == 64 && sum.bytes().all(|b| b"0123456789abcdef".contains(&b));
        if !archive.starts_with("https://") || !sum.is_some_and(is_hex) {
            return Err(ImageError::Archive);
        }
        arguments.insert("CODE_SERVER".to_owned(), archive.clone());
    }
    Ok(arguments)
}

fn collect(folder: &'static Dir<'_>, files: &mut BTreeMap<String, String>) {
    for file in folder.files() {
        let name = file.path().to_string_lossy().into_owned();
        // all of them are texts of ours; a test reads them
        files.insert(name, file.contents_utf8().unwrap_or_default().to_owned());
    }
    for inner in folder.dirs() {
        collect(inner, files);
    }
}

fn content(files: &BTreeMap<String, String>, arguments: &BTreeMap<String, String>) -> String {
    let mut sum = Sha256::new();
    for (name, text) in files.iter().chain(arguments) {
        for part in [name, text] {
            sum.update(part.len().to_le_bytes());
            sum.update(part);
        }
    }
    hex::encode(sum.finalize())
}

/// A step for each profile, then their own files in one: a change of a file repeats no installation.
fn dockerfile(profiles: &[&Profile]) -> String {
    let mut lines = vec![
        "# Written by halolab from the profiles that were chosen.".to_owned(),
        "ARG BASE".to_owned(),
        "FROM ${BASE}".to_owned(),
        "COPY ca/ /usr/local/share/ca-certificates/".to_owned(),
        format!("COPY {ALWAYS}/ /opt/workspace/build/{ALWAYS}/"),
    ];
    for profile in profiles {
        let id = &profile.id;
        // an argument that is declared late leaves what is before it in the cache
        match id.as_str() {
            "code" => lines.push("ARG CODE_SERVER".to_owned()),
            "ml" => lines.push("ARG WS_GPU".to_owned()),
            _ => {}
        }
        lines.push(format!("COPY {id}/build/ /opt/workspace/build/{id}/"));
        lines.push(format!("RUN sh /opt/workspace/build/{id}/install.sh"));
        if id == "base" {
            let names = [
                "SSL_CERT_FILE",
                "REQUESTS_CA_BUNDLE",
                "PIP_CERT",
                "NODE_EXTRA_CA_CERTS",
            ];
            let all = names.map(|name| format!("{name}={BUNDLE}")).join(" ");
            lines.push(format!("ENV LANG=C.UTF-8 {all}"));
        }
    }
    let with_files = profiles.iter().filter(|profile| has_root(&profile.id));
    lines.extend(with_files.map(|profile| format!("COPY {0}/root/ /opt/workspace/files/{0}/", profile.id)));
    lines.push(format!("RUN sh /opt/workspace/build/{ALWAYS}/place.sh"));
    lines.extend(
        [
            "STOPSIGNAL SIGTERM",
            "HEALTHCHECK --interval=30s --timeout=30s --start-period=120s --retries=3 \
             CMD [\"/usr/local/sbin/workspace-health\"]",
            "ENTRYPOINT [\"/usr/bin/tini\", \"--\", \"/usr/local/sbin/workspace-init\"]",
            "",
        ]
        .map(str::to_owned),
    );
    lines.join("\n")
}

fn has_root(profile: &str) -> bool {
    FILES.get_dir(format!("{profile}/root")).is_some()
}
