//! `machine.yaml`: what Spack is told about this machine and the image that it builds in.

use serde_json::{Map, Value, json};

use super::Architectures;

/// What the image has, as the entrypoints' `facts` found it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image {
    /// Version of the CUDA toolkit, `12.9.1`, and its folder.
    pub cuda: Option<(String, String)>,
    /// Version of cuDNN with its CUDA, as Spack writes it: `9.10.2.21-12`, and its folder.
    pub cudnn: Option<(String, String)>,
    /// Version of GCC, and its folder.
    pub gcc: Option<(String, String)>,
    /// GCC has Fortran.
    pub fortran: bool,
}

/// A build cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mirror {
    /// What it is called.
    pub name: String,
    /// `file:///…`, `oci://…`, `oci+http://…`, `https://…`, `s3://…`.
    pub url: String,
    /// What is built is pushed there at once: the way to make long builds restartable.
    pub push: bool,
    /// Packages are taken from it without a signature of a key that Spack trusts: whoever writes there runs programs here.
    /// So at first only for folders, and for registries, for which Spack knows no signatures.
    pub unsigned: bool,
}

/// A mirror that cannot be one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MirrorError {
    /// Its name.
    #[error("`{0}` cannot be the name of a mirror: letters, digits, `-` and `_` only")]
    Name(String),
    /// Its address.
    #[error(
        "`{0}` is no address of a build cache: write file:///FOLDER, oci://REGISTRY/NAME, oci+http://REGISTRY/NAME, https://… or s3://…"
    )]
    Address(String),
}

impl Mirror {
    /// A build cache, looked at.
    ///
    /// # Errors
    /// For names and addresses that Spack does not take, and for passwords in addresses.
    pub fn new(name: &str, url: &str, push: bool) -> Result<Self, MirrorError> {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if name.is_empty() || name.len() > 40 || !name.chars().all(fits) {
            return Err(MirrorError::Name(
                name.chars().filter(|c| !c.is_control()).take(40).collect(),
            ));
        }
        let known = ["file:///", "oci://", "oci+http://", "https://", "s3://"];
        let rest = known.iter().find_map(|scheme| url.strip_prefix(scheme));
        let clean = |rest: &str| {
            !rest.is_empty() && !rest.contains('@') && !rest.chars().any(|c| c.is_control() || c == ' ')
        };
        if !rest.is_some_and(clean) {
            return Err(MirrorError::Address(
                url.chars().filter(|c| !c.is_control()).take(80).collect(),
            ));
        }
        Ok(Self {
            name: name.to_owned(),
            url: url.to_owned(),
            push,
            unsigned: url.starts_with("file:") || url.starts_with("oci"),
        })
    }

    /// The same without signatures, as somebody chose who trusts all who write there.
    #[must_use]
    pub fn without_signatures(mut self) -> Self {
        self.unsigned = true;
        self
    }

    /// What is to be said before it is used; none where nothing is odd.
    pub fn warning(&self) -> Option<String> {
        let plain = self.url.starts_with("oci+http://");
        plain.then(|| {
            format!(
                "the build cache `{}` is reached without TLS and has no signatures: whoever is between can put programs into \
                 what is built; use oci:// unless it is on this machine",
                self.name
            )
        })
    }
}

/// Everything that `machine.yaml` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Machine {
    /// What is compiled for; none for a build without CUDA.
    pub architectures: Option<Architectures>,
    /// Microarchitecture of the processor, as Spack calls it: `x86_64_v3`.
    pub target: String,
    /// Jobs of each build.
    pub jobs: usize,
    /// What the image has.
    pub image: Image,
    /// Build caches.
    pub mirrors: Vec<Mirror>,
    /// Without what costs most and is missed least: LLVM (for `pandas[performance]`) and Intel's MKL (for oneDNN).
    /// Measured on Spack 1.1.0: 241 packages in place of 253.
    pub slim: bool,
}

impl Machine {
    /// The file's text: YAML, of which JSON is a part, so that nothing in it has to be quoted in another way.
    pub fn text(&self) -> String {
        let mirrors: Map<String, Value> = self.mirrors.iter().map(mirror).collect();
        let whole = json!({
            "packages": self.packages(),
            "config": {"build_jobs": self.jobs},
            // Without a cache there is nothing to reuse but what an earlier environment left in the store.
            "concretizer": {"reuse": !self.mirrors.is_empty()},
            "mirrors": mirrors,
        });
        let text = serde_json::to_string_pretty(&whole).unwrap_or_default();
        format!(
            "# Written by halolab before each build: changes are lost. What to build is in spack.yaml.\n{text}\n"
        )
    }

    fn packages(&self) -> Map<String, Value> {
        let mut packages = Map::new();
        packages.insert(
            "all".to_owned(),
            json!({"require": [format!("target={}", self.target)]}),
        );
        if let Some(architectures) = &self.architectures {
            // `cuda_arch` does not spread from a package to what it needs, and NCCL without it cannot be had at all.
            let variant = architectures.variant();
            for name in ["py-torch", "py-jaxlib", "nccl"] {
                let slim = if self.slim && name == "py-torch" {
                    " ~mkldnn"
                } else {
                    ""
                };
                packages.insert(
                    name.to_owned(),
                    json!({"require": [format!("+cuda{slim} {variant}")]}),
                );
            }
        }
        if self.slim {
            packages.insert("py-pandas".to_owned(), json!({"require": ["~performance"]}));
        }
        let only = |spec: String, prefix: &str| json!({"buildable": false, "externals": [{"spec": spec, "prefix": prefix}]});
        if let Some((version, prefix)) = &self.image.cuda {
            packages.insert("cuda".to_owned(), only(format!("cuda@{version}"), prefix));
        }
        if let Some((version, prefix)) = &self.image.cudnn {
            packages.insert("cudnn".to_owned(), only(format!("cudnn@{version}"), prefix));
        }
        if let Some((version, prefix)) = &self.image.gcc {
            packages.insert("gcc".to_owned(), gcc(version, prefix, self.image.fortran));
        }
        packages
    }
}

fn gcc(version: &str, prefix: &str, fortran: bool) -> Value {
    let mut compilers = Map::new();
    compilers.insert("c".to_owned(), json!(format!("{prefix}/bin/gcc")));
    compilers.insert("cxx".to_owned(), json!(format!("{prefix}/bin/g++")));
    let mut languages = "c,c++".to_owned();
    if fortran {
        compilers.insert("fortran".to_owned(), json!(format!("{prefix}/bin/gfortran")));
        languages.push_str(",fortran");
    }
    json!({"externals": [{
        "spec": format!("gcc@{version} languages:='{languages}'"),
        "prefix": prefix,
        "extra_attributes": {"compilers": compilers},
    }]})
}

fn mirror(mirror: &Mirror) -> (String, Value) {
    (
        mirror.name.clone(),
        json!({"url": mirror.url, "signed": !mirror.unsigned, "autopush": mirror.push}),
    )
}
