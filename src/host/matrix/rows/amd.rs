//! Rows about AMD: cards, targets, firmware, kernels, memory; and displays.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{DisplayKind, Fit, RocmSupport, Row, Text, Verdict};

row! {
    /// A graphics processor of AMD.
    AmdGpu {
        /// PCI identifier: `1002:1586`.
        id: String,
        /// Short name of the chip: `strix-halo`.
        product: String,
        /// Compute target, where neither KFD nor IP discovery says it.
        gfx: String,
        /// Shares the system's memory.
        integrated: bool,
        /// Names by PCI revision, in lower-case hexadecimal.
        #[serde(default)] names: BTreeMap<String, String>,
        /// Compute units by name.
        #[serde(default)] cus: BTreeMap<String, u64>,
    }
    key: |row| row.id.clone();
    versions: [];
    identifiers: [id = "id"];
}

row! {
    /// A compute target of AMD.
    AmdGfx {
        /// `gfx1151`.
        gfx: String,
        /// What ROCm says.
        rocm: RocmSupport,
        /// Shares the system's memory.
        integrated: bool,
        /// The same chip carries an NPU.
        #[serde(default)] npu: bool,
    }
    key: |row| row.gfx.clone();
    versions: [];
    identifiers: [];
}

row! {
    /// An IP discovery version whose digits are not the target's.
    AmdIp {
        /// `9.4.3`.
        gc: String,
        /// `gfx942`.
        gfx: String,
    }
    key: |row| row.gc.clone();
    versions: [gc = "gc"];
    identifiers: [];
}

row! {
    /// A neural processor.
    NpuModel {
        /// PCI identifier.
        id: String,
        /// What people call it.
        name: String,
        /// Kernel driver.
        driver: String,
        /// Chips by PCI revision.
        #[serde(default)] products: BTreeMap<String, String>,
    }
    key: |row| row.id.clone();
    versions: [];
    identifiers: [id = "id"];
}

row! {
    /// A kernel that carries a needed fix.
    KernelFix {
        /// Which line of kernels.
        name: String,
        /// Targets that need it.
        gfx: Vec<String>,
        /// `ID` of os-release; none is any.
        os: Option<String>,
        /// End of the kernel's name; none is any.
        suffix: Option<String>,
        /// The first version that has it.
        minimum: String,
        /// Key in the KFD properties that only a fixed kernel writes.
        property: String,
    }
    key: |row| row.name.clone();
    versions: [];
    identifiers: [];
}

row! {
    /// Firmware that is running on a GPU.
    Firmware {
        /// `mes`: the file `fw_version/mes_fw_version`.
        component: String,
        /// `0x83`.
        version: String,
        /// Targets that it is about.
        gfx: Vec<String>,
        /// The finding's name, where it is bad.
        finding: String,
        /// Whether it works.
        verdict: Verdict,
    }
    key: |row| format!("{} {}", row.component, row.version);
    versions: [];
    identifiers: [];
}

row! {
    /// A release of linux-firmware, as installed.
    FirmwarePackage {
        /// `20251125`.
        version: String,
        /// Targets that it is about.
        gfx: Vec<String>,
        /// The finding's name, where it is bad.
        finding: String,
        /// Whether it works.
        verdict: Verdict,
        /// The first release that works again.
        fixed_in: Option<String>,
    }
    key: |row| row.version.clone();
    versions: [version = "version", fixed_in = "fixed-in"];
    identifiers: [];
}

row! {
    /// ROCm releases on a kernel.
    Rocm {
        /// Releases, or their first two numbers.
        versions: Vec<String>,
        /// Targets that it is about.
        gfx: Vec<String>,
        /// On a kernel with the fix.
        fixed_kernel: Fit,
        /// On one without.
        old_kernel: Fit,
    }
    key: |row| row.versions.join(" ");
    versions: [];
    identifiers: [];
}

row! {
    /// Installed memory, and the pages that ROCm may have of it.
    Memory {
        /// GiB, as sold.
        installed_gib: u64,
        /// Pages of 4 KiB to start with.
        start_pages: u64,
        /// Pages of 4 KiB at most.
        max_pages: u64,
    }
    key: |row| row.installed_gib.to_string();
    versions: [];
    identifiers: [];
}

row! {
    /// From which size a BIOS carve-out is worth a word.
    CarveOut {
        /// GiB.
        warn_gib: u64,
    }
    key: |_row| String::new();
    versions: [];
    identifiers: [];
}

row! {
    /// A processor that carries a known GPU.
    Cpu {
        /// `AuthenticAMD`.
        vendor: String,
        /// CPU family.
        family: u64,
        /// CPU model.
        model: u64,
        /// Short name of the chip.
        product: String,
        /// PCI identifier of its GPU.
        gpu: String,
    }
    key: |row| format!("{} {} {}", row.vendor, row.family, row.model);
    versions: [];
    identifiers: [gpu = "gpu"];
}

row! {
    /// A display device that computes nothing.
    Display {
        /// PCI identifier.
        id: String,
        /// Short name of its maker.
        vendor: String,
        /// What people call it.
        name: String,
        /// Whose it is.
        kind: DisplayKind,
    }
    key: |row| row.id.clone();
    versions: [];
    identifiers: [id = "id"];
}
