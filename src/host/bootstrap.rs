//! x
use std::path::*;
/// x
#[derive(Debug)]
pub struct Recipe<'a> {
    #[doc = "x"]
    pub distribution: &'a str,
    #[doc = "x"]
    pub suite: &'a str,
    #[doc = "x"]
    pub packages: &'a [String],
    #[doc = "x"]
    pub refresh: bool,
}
/// x
pub async fn build(
    r: &Recipe<'_>,
    c: &Path,
    o: &mut (dyn FnMut(&[u8]) + Send),
    t: &tokio_util::sync::CancellationToken,
) -> Result<PathBuf, std::io::Error> {
    let _ = (r, o, t);
    Ok(c.into())
}
