//! Calls that are cut: at each one a client is gone, before the engine heard of it or before it heard of the answer.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use halolab::backend::Result;
use tokio::{
    io::{AsyncReadExt as _, copy, copy_bidirectional},
    net::{UnixListener, UnixStream},
};

use super::*;

/// What becomes of the call at which the connection is cut.
#[derive(Clone, Copy, Debug)]
enum Cut {
    /// The engine never hears of it.
    Before,
    /// The engine has done it, and the answer is lost.
    After,
}

/// Calls of the greeting.
const GREETING: usize = 3;

/// A client whose connection is cut at its n-th call and stays cut: to the engine it is one that was killed there. The
/// second counts its calls.
async fn dying(folder: &Path, at: usize, cut: Cut) -> (Docker, Arc<AtomicUsize>) {
    let socket = folder.join(format!("{at}-{cut:?}.sock"));
    let listener = UnixListener::bind(&socket).unwrap();
    let real = std::env::var("HALOLAB_TEST_DOCKER").unwrap();
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let number = counted.fetch_add(1, Ordering::SeqCst) + 1;
            let mut engine = UnixStream::connect(&real).await.unwrap();
            match number.cmp(&at.saturating_add(GREETING)) {
                std::cmp::Ordering::Less => {
                    tokio::spawn(async move { drop(copy_bidirectional(&mut client, &mut engine).await) });
                }
                std::cmp::Ordering::Equal if matches!(cut, Cut::After) => {
                    let mut answer = vec![0; 1 << 16];
                    let (mut asks, _) = client.split();
                    let (mut answers, mut asked) = engine.split();
                    tokio::select! {
                        _ = copy(&mut asks, &mut asked) => {}
                        _ = timeout(LONG, answers.read(&mut answer)) => {}
                    }
                }
                _ => drop(client),
            }
        }
    });
    let docker = Docker::connect_to(&format!("unix://{}", socket.display())).await;
    (docker.unwrap(), count)
}

/// At how many calls of each operation it is cut: `HALOLAB_TEST_POINTS=full` says all, a number so many.
fn points(calls: usize) -> Vec<usize> {
    let wanted = match std::env::var("HALOLAB_TEST_POINTS").as_deref() {
        Ok("full") => calls,
        Ok(number) => number.parse().unwrap_or(6),
        Err(_) => 6,
    };
    let wanted = wanted.clamp(1, calls);
    (0..wanted).map(|n| n * calls / wanted + 1).collect()
}

/// Does an operation once, then cuts it at its calls; each time what is there is looked at, and the operation called
/// again.
async fn cut_everywhere<Op, Check>(operation: Op, mut check: Check)
where
    Op: for<'a> AsyncFn(&'a Docker) -> Result<()>,
    Check: AsyncFnMut(usize, Cut),
{
    let folder = tempfile::tempdir().unwrap();
    let (docker, count) = dying(folder.path(), usize::MAX, Cut::Before).await;
    operation(&docker).await.unwrap();
    let calls = count.load(Ordering::SeqCst) - GREETING;
    assert!(calls > 5, "{calls} calls");
    check(0, Cut::Before).await;
    for cut in [Cut::Before, Cut::After] {
        for at in points(calls) {
            let (docker, _) = dying(folder.path(), at, cut).await;
            // What it says is not looked at: the real state is.
            let _ = operation(&docker).await;
            check(at, cut).await;
        }
    }
}

#[tokio::test]
async fn a_restore_that_is_cut_at_any_call_leaves_a_whole_lab_and_ends_well_when_it_is_called_again() {
    let Some(docker) = docker().await else { return };
    let name = unique("cut-restore");
    Box::pin(clean(&docker, &name, async {
        made(&docker, &name, &[("user.halolab.stage", "test")]).await;
        write(&docker, &name, "one").await;
        docker.snapshot(&name, "s").await.unwrap();
        write(&docker, &name, "two").await;
        docker.snapshot(&name, "t").await.unwrap();
        let uuid = docker.instance(&name).await.unwrap().unwrap().uuid;
        let restore = async |dying: &Docker| dying.restore(&name, "s", &uuid).await;
        cut_everywhere(restore, async |at, cut| {
            let found = docker.instances().await.unwrap();
            let found: Vec<_> = found.iter().filter(|one| one.name.starts_with(&name)).collect();
            assert_eq!(found.len(), 1, "{at} {cut:?}: {found:?}");
            assert_eq!((&found[0].name, &found[0].uuid), (&name, &uuid), "{at} {cut:?}");
            let now = read(&docker, &name).await;
            assert!(now == "one" || now == "two", "{at} {cut:?}: {now}");
            docker.restore(&name, "s", &uuid).await.unwrap();
            assert_eq!(read(&docker, &name).await, "one", "{at} {cut:?}");
            assert_eq!(containers(&name).await, [name.as_str()], "{at} {cut:?}");
            assert_eq!(docker.snapshots(&name).await.unwrap().len(), 2, "{at} {cut:?}");
            write(&docker, &name, "two").await;
        })
        .await;
        docker.power(&name, Power::Start).await.unwrap();
    }))
    .await;
}

#[tokio::test]
async fn a_copy_or_removal_that_is_cut_at_any_call_is_whole_or_not_there() {
    let Some(docker) = docker().await else { return };
    let name = unique("cut-copy");
    let copy = format!("{name}-copy");
    Box::pin(clean(&docker, &name, async {
        made(&docker, &name, &[]).await;
        write(&docker, &name, "one").await;
        docker.snapshot(&name, "s").await.unwrap();
        docker.snapshot(&name, "t").await.unwrap();
        let wanted = InstanceSpec {
            name: copy.clone(),
            ..InstanceSpec::default()
        };
        let remove = async |dying: &Docker| dying.delete(&copy).await;
        let make = async |dying: &Docker| dying.copy(&name, None, &wanted, &silent()).await;
        cut_everywhere(make, async |at, cut| {
            if docker.instance(&copy).await.unwrap().is_none() {
                docker.copy(&name, None, &wanted, &silent()).await.unwrap();
            }
            let names: Vec<String> = docker
                .snapshots(&copy)
                .await
                .unwrap()
                .into_iter()
                .map(|s| s.name)
                .collect();
            assert_eq!(names, ["s", "t"], "{at} {cut:?}");
            assert_eq!(read(&docker, &copy).await, "one", "{at} {cut:?}");
            assert_eq!(
                containers(&name).await,
                [name.clone(), copy.clone()],
                "{at} {cut:?}"
            );
            docker.delete(&copy).await.unwrap();
        })
        .await;
        docker.copy(&name, None, &wanted, &silent()).await.unwrap();
        cut_everywhere(remove, async |at, cut| {
            // Gone at once for whoever looks, or there with all that it had.
            if docker.instance(&copy).await.unwrap().is_some() {
                assert_eq!(docker.snapshots(&copy).await.unwrap().len(), 2, "{at} {cut:?}");
                docker.delete(&copy).await.unwrap();
            }
            docker.copy(&name, None, &wanted, &silent()).await.unwrap();
            assert_eq!(
                containers(&name).await,
                [name.clone(), copy.clone()],
                "{at} {cut:?}"
            );
        })
        .await;
        assert_eq!(
            docker.snapshots(&name).await.unwrap().len(),
            2,
            "the source is left alone"
        );
        docker.delete(&copy).await.unwrap();
        only_its_own_names(&docker, &name).await;
    }))
    .await;
}

/// Images of the snapshots `s` and `t` of a lab have no name of a copy any more.
async fn only_its_own_names(docker: &Docker, name: &str) {
    let uuid = docker.instance(name).await.unwrap().unwrap().uuid;
    let options = bollard::query_parameters::ListImagesOptions {
        filters: Some([("label".to_owned(), vec![format!("io.halolab.uuid={uuid}")])].into()),
        ..Default::default()
    };
    let images = safety::engine().await.list_images(Some(options)).await.unwrap();
    let mut tags: Vec<String> = images.into_iter().flat_map(|image| image.repo_tags).collect();
    tags.sort();
    let own = ["s", "t"].map(|tag| format!("halolab/snapshot-{uuid}:{tag}"));
    assert_eq!(tags, own, "no copy left a name");
}
