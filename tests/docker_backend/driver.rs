//! NVIDIA's driver in a container that has it by plain nodes.

use super::{InstanceSpec, Power, clean, docker, map, run, silent, spec, unique};
use halolab::backend::Backend as _;

/// The folder of NVIDIA's libraries, as it is mounted where the plain nodes are passed in.
#[tokio::test]
async fn a_drivers_folder_is_linked_at_each_start_whatever_its_files_are_called() {
    let Some(docker) = docker().await else { return };
    let name = unique("driver");
    let folder = tempfile::tempdir().unwrap();
    let library = |version: &str| {
        for entry in std::fs::read_dir(folder.path()).unwrap() {
            std::fs::remove_file(entry.unwrap().path()).unwrap();
        }
        for file in [
            "libcuda.so.1".to_owned(),
            format!("libnvidia-gpucomp.so.{version}"),
            "libc.so.6".to_owned(),
        ] {
            std::fs::write(folder.path().join(file), "").unwrap();
        }
    };
    library("580.1");
    clean(&docker, &name, async {
        let disk = [
            ("type", "disk"),
            ("source", folder.path().to_str().unwrap()),
            ("path", "/opt/halolab/host-driver"),
            ("readonly", "true"),
        ];
        let wanted = InstanceSpec {
            devices: [("driver".to_owned(), map(&disk))].into(),
            ..spec(&name, &[])
        };
        docker.create(&wanted, &silent()).await.unwrap();
        docker.power(&name, Power::Start).await.unwrap();
        let linked = "cd /opt/halolab/driver && for f in *; do [ -e $f ] && echo $f; done";
        assert_eq!(
            run(&docker, &name, linked).await,
            "libcuda.so.1\nlibnvidia-gpucomp.so.580.1\n"
        );
        // An update of the machine's driver; who runs is linked anew by a start, too.
        library("590.2");
        docker.power(&name, Power::Start).await.unwrap();
        assert_eq!(
            run(&docker, &name, "ls /opt/halolab/driver").await,
            "libcuda.so.1\nlibnvidia-gpucomp.so.590.2\n"
        );
        docker.power(&name, Power::Stop { seconds: 0 }).await.unwrap();
        std::fs::remove_file(folder.path().join("libcuda.so.1")).unwrap();
        let error = docker.power(&name, Power::Start).await.unwrap_err().to_string();
        assert!(
            error.contains("NVIDIA's driver") && error.contains("libcuda.so.1 is not in"),
            "{error}"
        );
    })
    .await;
}
