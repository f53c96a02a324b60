//! What of outside is read here, as the fuzzers reach it.

use super::{
    BuildEvent, Profile, Progress, build, context, import,
    instance::{Claim, Container, Kept},
    record,
};

/// A record's text as each kind of record: what is read of it can be written and read again as it is.
pub fn record(text: &str) {
    fn again<T>(text: &str)
    where
        T: serde::Serialize + serde::de::DeserializeOwned + PartialEq + std::fmt::Debug,
    {
        let Some(read) = record::decode::<T>(text) else {
            return;
        };
        if let Ok(written) = record::encode(&read) {
            assert_eq!(record::decode::<T>(&written).as_ref(), Some(&read));
        }
    }
    again::<Kept>(text);
    again::<Profile>(text);
    again::<String>(text);
}

/// Something of a record's length and content: what was packed is what is read.
pub fn packed(json: &str) {
    if let Ok(kept) = serde_json::from_str::<Kept>(json)
        && let Ok(written) = record::encode(&kept)
    {
        assert_eq!(record::decode::<Kept>(&written), Some(kept));
        record(&written);
    }
}

/// A container as the engine describes it: the labels of one that is not ours count for nothing.
pub fn container(bytes: &[u8]) {
    let Ok(told) = serde_json::from_slice::<bollard::models::ContainerInspectResponse>(bytes) else {
        return;
    };
    let claim = Claim::of(&told);
    let labels = told
        .config
        .as_ref()
        .and_then(|config| config.labels.clone())
        .unwrap_or_default();
    if claim != Claim::None {
        assert_eq!(
            labels.get("io.halolab.kind").map(String::as_str),
            Some("instance")
        );
    }
    if claim == Claim::Annotated {
        let notes = told
            .host_config
            .as_ref()
            .and_then(|host| host.annotations.clone());
        let noted = notes.and_then(|notes| notes.get("io.halolab.uuid").cloned());
        assert!(noted.is_some() && noted == labels.get("io.halolab.uuid").cloned());
    }
    let id = told.id.clone().unwrap_or_default();
    let foreign = Container::new(Box::new(told.clone()), false, None);
    assert_eq!(
        (&foreign.uuid, foreign.made.as_str(), &foreign.kept),
        (&id, "", &Kept::default())
    );
    let ours = Container::new(Box::new(told), true, None);
    let instance = ours.instance("lab", &std::collections::HashMap::new());
    assert_eq!(instance.config.get("volatile.uuid"), Some(&instance.uuid));
    assert!(!instance.status_text.chars().any(char::is_control));
}

/// Whether a `.dockerignore` with this text leaves a path out; none where it cannot be understood.
pub fn leaves_out(text: &str, path: &str) -> Option<bool> {
    let ignored = context::Ignored::parse(text).ok()?;
    Some(ignored.leaves_out(path))
}

/// What is sent of an archive: as the engine gets it.
pub fn repacked(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut builder = tar::Builder::new(vec![]);
    import::repack(bytes, &mut builder)?;
    builder.into_inner()
}

/// What the builder writes, in these pieces: what is told of it, and the words of a failure there.
pub fn build(pieces: &[&str]) -> (Vec<BuildEvent>, String) {
    let mut reader = build::Reader::default();
    let mut told = vec![];
    for piece in pieces {
        let piece = bollard::models::BuildInfo {
            stream: Some((*piece).to_owned()),
            ..Default::default()
        };
        reader.read(&piece, &mut |event| told.push(event), &Progress::default());
    }
    (told, reader.failed("it failed"))
}
