//! What the engine remembers for us beside its containers: their labels cannot be changed, so what changes is in images
//! without files, one a record, whose labels are its content. Writing one moves its tag, which the engine does at once
//! or not at all.
//!
//! `halolab/config:CONTAINER` is what an instance's config became since its container was made (a new container, as a
//! restore makes, begins with its own labels again), `halolab/profile:NAME` a profile. To read one by hand: `docker image
//! inspect -f '{{index .Config.Labels "io.halolab.data"}}' halolab/profile:NAME`, base64 for URLs, raw deflate, JSON.

use std::{collections::HashMap, io::Read as _};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bollard::{
    body_full,
    query_parameters::{CreateImageOptions, ListImagesOptions, RemoveImageOptions},
};
use flate2::{Compression, read::DeflateDecoder, read::DeflateEncoder};
use serde::{Serialize, de::DeserializeOwned};
use tokio::sync::Mutex;

use super::{Docker, labels, snapshots::bare};
use crate::backend::{Error, Progress, Result, about::About};

/// The end of a tar archive, which is all of an empty one.
const EMPTY_TAR: &[u8] = &[0; 1024];
/// The longest content of a record, deflated: it travels in a URL, whose longest the client takes is 64 KiB.
const LONGEST: usize = 40 << 10;
/// The longest content that is read.
const LARGEST: u64 = 16 << 20;

/// One writer at a time in this process; other processes are kept away by the lock of each lab.
static WRITING: Mutex<()> = Mutex::const_new(());

/// A kind of record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Of a container.
    Config,
    /// A profile.
    Profile,
    /// An identity that is being removed; its content is the container's name.
    Gone,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Profile => "profile",
            Self::Gone => "gone",
        }
    }

    fn tag(self, key: &str) -> String {
        format!("halolab/{}:{key}", self.word())
    }
}

/// A record that was read: its content, and the image that it is, by which a change since is noticed.
#[derive(Clone, Debug)]
pub(super) struct Record<T> {
    pub(super) image: String,
    pub(super) content: T,
}

impl Docker {
    /// One record; none where there is no such one.
    pub(super) async fn record<T: DeserializeOwned>(
        &self,
        kind: Kind,
        key: &str,
    ) -> Result<Option<Record<T>>> {
        let about = About::new(format!("read the {} `{key}`", kind.word()), "record");
        let Some(image) = self.find(&about, self.api.inspect_image(&kind.tag(key))).await? else {
            return Ok(None);
        };
        let labels = image.config.and_then(|config| config.labels).unwrap_or_default();
        let content = labels.get(labels::DATA).and_then(|data| decode(data));
        match content {
            Some(content) => Ok(Some(Record {
                image: image.id.unwrap_or_default(),
                content,
            })),
            None => Err(self.protocol(&about, "its label io.halolab.data cannot be read")),
        }
    }

    /// All records of a kind, by their key; what cannot be read is left out.
    pub(super) async fn records<T: DeserializeOwned>(&self, kind: Kind) -> Result<HashMap<String, T>> {
        let about = About::new(format!("list the records of {}s", kind.word()), "list of images");
        let repository = format!("halolab/{}", kind.word());
        let options = ListImagesOptions {
            filters: Some([("reference".to_owned(), vec![repository.clone()])].into()),
            ..ListImagesOptions::default()
        };
        let images = self.call(&about, self.api.list_images(Some(options))).await?;
        let mut found = HashMap::new();
        for image in images {
            let key = image.repo_tags.iter().find_map(|tag| {
                let (name, key) = tag.rsplit_once(':')?;
                (bare(name) == repository).then(|| key.to_owned())
            });
            let content = image.labels.get(labels::DATA).and_then(|data| decode(data));
            if let (Some(key), Some(content)) = (key, content) {
                found.insert(key, content);
            }
        }
        Ok(found)
    }

    /// Writes a record, if it still is the image that was read (none: it was not there). False where it is another by now.
    pub(super) async fn write_record<T: Serialize + Sync>(
        &self,
        kind: Kind,
        key: &str,
        content: &T,
        read: Option<&str>,
    ) -> Result<bool> {
        let about = About::new(format!("write the {} `{key}`", kind.word()), "record");
        let data = encode(content).map_err(|error| self.protocol(&about, &error))?;
        let _one = WRITING.lock().await;
        let now = self.find(&about, self.api.inspect_image(&kind.tag(key))).await?;
        let now = now.and_then(|image| image.id);
        if now.as_deref() != read {
            return Ok(false);
        }
        let (repo, tag) = self.named(&format!("halolab/{}", kind.word()), key);
        let label = match self.engine() {
            // It takes one label, whatever is behind it.
            "podman" => format!("LABEL {}={data}", labels::DATA),
            _ => format!("LABEL {}={} {}={data}", labels::KIND, kind.word(), labels::DATA),
        };
        let options = CreateImageOptions {
            from_src: Some("-".to_owned()),
            repo: Some(repo),
            tag,
            changes: vec![label],
            ..CreateImageOptions::default()
        };
        let body = Some(body_full(EMPTY_TAR.to_vec().into()));
        let stream = self.api.create_image(Some(options), body, None);
        self.follow(&about, &Progress::default(), stream, &mut |_| {})
            .await?;
        if let Some(before) = now {
            // What it was is an image of a few hundred bytes; one that stays is no harm.
            let _ = self.drop_image(&before).await;
        }
        Ok(true)
    }

    /// Removes a record; one that is not there is a success.
    pub(super) async fn drop_record(&self, kind: Kind, key: &str) -> Result<()> {
        let _one = WRITING.lock().await;
        match self.drop_image(&kind.tag(key)).await {
            Err(Error::Missing { .. }) => Ok(()),
            done => done,
        }
    }

    /// Removes an image, or a name of one that has others. What a container was made from is refused.
    pub(super) async fn drop_image(&self, image: &str) -> Result<()> {
        let about = About::new(format!("remove the image `{image}`"), format!("image `{image}`"));
        let call = self.api.remove_image(image, None::<RemoveImageOptions>, None);
        self.call_within(super::call::WORK, &about, call).await.map(drop)
    }
}

pub(super) fn encode<T: Serialize>(content: &T) -> std::result::Result<String, String> {
    let json = serde_json::to_vec(content).map_err(|error| error.to_string())?;
    let mut packed = vec![];
    DeflateEncoder::new(json.as_slice(), Compression::best())
        .read_to_end(&mut packed)
        .map_err(|error| error.to_string())?;
    let text = URL_SAFE_NO_PAD.encode(packed);
    if text.len() > LONGEST {
        return Err(format!(
            "what halolab keeps there grew to {} bytes; at most {LONGEST} fit: remove snapshots or shorten notes",
            text.len()
        ));
    }
    Ok(text)
}

pub(super) fn decode<T: DeserializeOwned>(text: &str) -> Option<T> {
    let packed = URL_SAFE_NO_PAD.decode(text).ok()?;
    let mut json = vec![];
    DeflateDecoder::new(packed.as_slice())
        .take(LARGEST)
        .read_to_end(&mut json)
        .ok()?;
    serde_json::from_slice(&json).ok()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{LONGEST, decode, encode};

    #[test]
    fn a_record_has_what_was_written_and_nothing_that_a_url_or_a_dockerfile_would_change() {
        let content = BTreeMap::from([("user.halolab.note", "a \"b\" $HOME \\ \n ü 🦀")]);
        let text = encode(&content).unwrap();
        assert!(
            text.chars()
                .all(|c| c.is_ascii_alphanumeric() || "-_".contains(c)),
            "{text}"
        );
        let read: BTreeMap<String, String> = decode(&text).unwrap();
        assert_eq!(read["user.halolab.note"], content["user.halolab.note"]);
        assert_eq!(decode::<BTreeMap<String, String>>("!"), None);
    }

    #[test]
    fn a_thousand_marks_fit_and_what_does_not_is_said() {
        let mark = |n: u32| {
            let key = format!("user.halolab.snapshot.lab.before-update-{n}");
            (
                key,
                format!(
                    r#"{{"kind":"safety","taken":"2026-11-22T10:{:02}:{:02}Z"}}"#,
                    n / 60 % 60,
                    n % 60
                ),
            )
        };
        let marks: BTreeMap<String, String> = (0..1000).map(mark).collect();
        assert!(encode(&marks).unwrap().len() < LONGEST);
        let noise: Vec<String> = (0..4000).map(|_| super::labels::uuid()).collect();
        assert!(encode(&noise).unwrap_err().contains("at most"));
    }
}
