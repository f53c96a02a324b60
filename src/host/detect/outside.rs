//! What no file tells, and therefore a library or a program is asked for: NVIDIA's cards, packages of RPM.

use std::{sync::Arc, time::Duration};

use super::super::{Root, command::Command};
use super::{
    nvidia::Report,
    nvml::Management,
    pci::{self, Device},
};

/// A driver that hangs must not keep the facts from the user.
const WAIT: Duration = Duration::from_secs(10);

/// Columns of `nvidia-smi`, in the words of its `--help-query-gpu`.
const COLUMNS: &str = "--query-gpu=index,name,uuid,pci.bus_id,driver_version,compute_cap,memory.total";

/// Answers of libraries and programs.
#[derive(Clone, Debug, Default)]
pub struct Outside {
    /// NVIDIA's cards.
    pub nvidia: Report,
    /// What `rpm -q linux-firmware` printed.
    pub rpm: Option<String>,
    /// Targets that `rocminfo` printed, on a captured host.
    pub rocminfo: Option<String>,
}

/// Asks what this host needs: NVML only where there is an NVIDIA card, `nvidia-smi` only where NVML told nothing,
/// RPM only where there is an AMD GPU whose firmware matters and no other package database. A captured host answers
/// with what was recorded.
pub async fn outside(root: &Root, management: Arc<dyn Management>) -> Outside {
    let recorded = |name: &str| root.recorded(name);
    if !root.is_live() {
        let mut nvidia = recorded("nvidia-smi-query.csv")
            .and_then(|text| Report::parse(&text))
            .unwrap_or_default();
        for name in ["nvidia-smi-version.txt", "nvidia-smi.txt"] {
            nvidia.add_version(&recorded(name).unwrap_or_default());
        }
        return Outside {
            nvidia,
            rpm: recorded("rpm-q-linux-firmware.txt"),
            rocminfo: recorded("rocminfo-names.txt"),
        };
    }
    let devices = pci::read(root);
    let has = |vendor: &str| {
        devices
            .iter()
            .any(|device: &Device| device.is_gpu() && device.vendor == vendor)
    };
    let wsl = root.has("/usr/lib/wsl/lib");
    let nvidia = if has("10de") || wsl || root.has("/proc/driver/nvidia/version") {
        nvidia(management, wsl).await
    } else {
        Report::default()
    };
    let rpm = has("1002") && root.has("/usr/lib/sysimage/rpm")
        || has("1002") && root.has("/var/lib/rpm/rpmdb.sqlite");
    let rpm = if rpm {
        read("rpm", &["-q", "linux-firmware", "amd-gpu-firmware"]).await
    } else {
        None
    };
    Outside {
        nvidia,
        rpm,
        rocminfo: None,
    }
}

async fn nvidia(management: Arc<dyn Management>, wsl: bool) -> Report {
    let asked = tokio::task::spawn_blocking(move || management.report());
    let report = match tokio::time::timeout(WAIT, asked).await {
        Ok(Ok(report)) => report,
        Ok(Err(_)) | Err(_) => Report {
            error: Some("NVML did not answer within 10 s".to_owned()),
            ..Report::default()
        },
    };
    if !report.gpus.is_empty() {
        return report;
    }
    let program = if wsl {
        "/usr/lib/wsl/lib/nvidia-smi"
    } else {
        "nvidia-smi"
    };
    let table = read(program, &[COLUMNS, "--format=csv"]).await;
    let Some(mut told) = table.and_then(|text| Report::parse(&text)) else {
        return report;
    };
    told.add_version(&read(program, &[]).await.unwrap_or_default());
    told
}

/// What a program prints; none where it is not there, fails or takes too long.
async fn read(program: &str, arguments: &[&str]) -> Option<String> {
    let mut command = Command::new(program, arguments.iter().copied());
    command.deadline = WAIT;
    command.read().await.ok()
}
