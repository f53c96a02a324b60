//! What the image of a lab has, as its `zephyr-facts` says it: one line of JSON that comes from inside, where anybody may
//! be root. Versions and folders are taken only as far as they look like some.

use serde::Deserialize;

use crate::spack::Image;

/// Longest text that is taken.
const LONGEST: usize = 120;

/// What the image has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Its toolkit, compilers and libraries.
    pub image: Image,
    /// Microarchitecture of the processor, as Spack calls it.
    pub target: String,
    /// Processors that builds may use.
    pub processors: usize,
    /// Bytes that are free where Spack installs.
    pub free: Option<u64>,
    /// Spack's version; none where it does not answer.
    pub spack: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Line {
    schema: u32,
    cuda: Option<String>,
    cuda_folder: Option<String>,
    cudnn: Option<String>,
    gcc: Option<String>,
    fortran: bool,
    spack: Option<String>,
    processors: u32,
    target: Option<String>,
    free_kib: Option<u64>,
}

impl Facts {
    /// Out of what `zephyr-facts` wrote; none where that is no line of it.
    pub fn parse(text: &str) -> Option<Self> {
        let line = text.lines().rev().find(|line| line.starts_with('{'))?;
        let line: Line = serde_json::from_str(line).ok()?;
        if line.schema == 0 || line.processors == 0 {
            return None;
        }
        let cuda = line.cuda.filter(|v| is_version(v));
        let folder = line.cuda_folder.filter(|f| is_folder(f));
        let system = |version: Option<String>| {
            version
                .filter(|v| is_version(v))
                .map(|version| (version, "/usr".to_owned()))
        };
        let plain = |text: &String| {
            text.len() <= LONGEST && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        };
        Some(Self {
            image: Image {
                cudnn: system(line.cudnn),
                gcc: system(line.gcc),
                fortran: line.fortran,
                cuda: cuda.zip(folder),
            },
            target: line.target.filter(plain).filter(|t| !t.is_empty())?,
            processors: usize::try_from(line.processors).ok()?,
            free: line.free_kib.and_then(|kib| kib.checked_mul(1024)),
            spack: line.spack.filter(|v| is_version(v)),
        })
    }
}

/// `12.9.1`, `9.10.2.21-12`, `1.3.0.dev0`.
fn is_version(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
    text.starts_with(|c: char| c.is_ascii_digit()) && text.len() <= LONGEST && text.chars().all(fits)
}

fn is_folder(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '/' | '+');
    text.starts_with('/') && text.len() <= LONGEST && text.chars().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"schema":1,"os":"ubuntu24.04","cuda":"12.9.1","cuda_folder":"/usr/local/cuda-12.9","cudnn":"9.10.2.21-12","gcc":"13.3.0","fortran":true,"spack":"1.1.0","processors":8,"target":"x86_64_v3","free_kib":1024}"#;

    #[test]
    fn a_line_of_it_is_read_whatever_was_said_before() {
        let facts = Facts::parse(&format!("zephyr: hello\n{LINE}\n")).unwrap();
        let cuda = ("12.9.1".to_owned(), "/usr/local/cuda-12.9".to_owned());
        assert_eq!(facts.image.cuda, Some(cuda));
        assert_eq!((facts.processors, facts.free), (8, Some(1 << 20)));
        assert_eq!(facts.target, "x86_64_v3");
    }

    #[test]
    fn what_does_not_look_like_it_is_not_taken() {
        for (from, to) in [
            ("12.9.1", "12.9.1\\n  evil: true"),
            ("/usr/local/cuda-12.9", "relative"),
            ("/usr/local/cuda-12.9", "/a'b"),
        ] {
            assert_eq!(
                Facts::parse(&LINE.replace(from, to)).unwrap().image.cuda,
                None,
                "{to}"
            );
        }
        for bad in ["", "{}", "null", "[1]", "{\"schema\":1,\"processors\":0}"] {
            assert_eq!(Facts::parse(bad), None, "{bad}");
        }
        assert_eq!(Facts::parse(&LINE.replace("x86_64_v3", "x; rm")), None);
    }
}
