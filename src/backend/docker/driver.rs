//! NVIDIA's driver in a container that has it by plain nodes: the engine mounts the folder of its libraries, and what of it
//! the dynamic linker is to find is linked by us.

use super::{Docker, instance::Container, instances::about};
use crate::{
    backend::{ExecSpec, Progress, Result},
    host::passthrough::{DRIVER, LINK_DRIVER},
    log::sanitize,
};

/// Bytes that are kept of what the script says.
const MOST: usize = 4 << 10;

impl Docker {
    /// Links the driver's libraries in a container that runs and has their folder. At each start: an update of the
    /// machine's driver gives some of them other names.
    pub(super) async fn link_driver(&self, container: &Container) -> Result<()> {
        let mut mounts = container.told.mounts.iter().flatten();
        if !mounts.any(|mount| mount.destination.as_deref() == Some(DRIVER)) {
            return Ok(());
        }
        // As at a boot: there is no systemd here that would do it the next time.
        let words = ["/bin/sh", "-c", LINK_DRIVER, "link-driver", "boot"];
        let spec = ExecSpec {
            argv: words.map(str::to_owned).to_vec(),
            ..ExecSpec::default()
        };
        let mut said = vec![];
        let mut take = |_: u8, bytes: &[u8]| {
            let room = MOST.saturating_sub(said.len());
            said.extend(bytes.iter().take(room));
        };
        let code = self
            .run_command(&container.name, &spec, &mut take, &Progress::default())
            .await?;
        if code == 0 {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&said);
        let last = said.lines().last().unwrap_or("the script said nothing");
        Err(about("link NVIDIA's driver in", &container.name)
            .no(format!("{}; the container itself runs", sanitize(last))))
    }
}
