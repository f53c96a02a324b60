//! The rows of the matrix: one struct a table. Each row says when it was recorded and by whom.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::kinds::{DisplayKind, Fit, OpenModule, RocmSupport, Verdict};

/// A row that a later file may replace.
pub trait Row {
    /// What tells rows of one table apart.
    fn key(&self) -> String;
    /// When it was recorded: `YYYY-MM-DD`.
    fn date(&self) -> &str;
    /// Who says so.
    fn source(&self) -> &str;
    /// Values that must be dotted numbers, by the name of their column.
    fn versions(&self) -> Vec<(&'static str, &str)> {
        vec![]
    }
    /// Values that must be PCI identifiers, by the name of their column.
    fn identifiers(&self) -> Vec<(&'static str, &str)> {
        vec![]
    }
}

/// Declares a table's row, with its key and what of it is checked.
macro_rules! row {
    (
        $(#[$doc:meta])* $name:ident {
            $( $(#[$field_doc:meta])* $field:ident : $type:ty, )*
        }
        key: |$this:ident| $key:expr;
        versions: [$($version:ident = $column:literal),*];
        identifiers: [$($id:ident = $id_column:literal),*];
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Deserialize)]
        #[serde(deny_unknown_fields, rename_all = "kebab-case")]
        pub struct $name {
            $( $(#[$field_doc])* pub $field: $type, )*
            /// When it was recorded: `YYYY-MM-DD`.
            pub date: String,
            /// Who says so.
            pub source: String,
        }

        impl Row for $name {
            fn key(&self) -> String {
                let $this = self;
                $key
            }
            fn date(&self) -> &str {
                &self.date
            }
            fn source(&self) -> &str {
                &self.source
            }
            fn versions(&self) -> Vec<(&'static str, &str)> {
                let found: Vec<(&'static str, Option<&str>)> =
                    vec![$(($column, Text::text(&self.$version))),*];
                found.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
            }
            fn identifiers(&self) -> Vec<(&'static str, &str)> {
                vec![$(($id_column, self.$id.as_str())),*]
            }
        }
    };
}

/// A text that may be missing.
trait Text {
    fn text(&self) -> Option<&str>;
}

impl Text for String {
    fn text(&self) -> Option<&str> {
        Some(self)
    }
}

impl Text for Option<String> {
    fn text(&self) -> Option<&str> {
        self.as_deref()
    }
}

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
    /// A CUDA toolkit.
    Cuda {
        /// `12.9.1`.
        toolkit: String,
        /// The smallest driver that runs it natively.
        driver: String,
    }
    key: |row| row.toolkit.clone();
    versions: [toolkit = "toolkit", driver = "driver"];
    identifiers: [];
}

row! {
    /// The smallest driver that runs a major version of CUDA at all.
    CudaCompat {
        /// `12`.
        major: u64,
        /// Driver.
        driver: String,
    }
    key: |row| row.major.to_string();
    versions: [driver = "driver"];
    identifiers: [];
}

row! {
    /// The CUDA version of a driver branch.
    DriverBranch {
        /// `580`.
        branch: u64,
        /// `13.0`.
        cuda: String,
    }
    key: |row| row.branch.to_string();
    versions: [cuda = "cuda"];
    identifiers: [];
}

row! {
    /// What a CUDA image asks for before it starts.
    ImageGate {
        /// Version of the image.
        image: String,
        /// CUDA version of the driver.
        cuda_at_least: String,
        /// Or one of these driver branches,
        or_branches: Vec<u64>,
        /// on one of these brands.
        or_brands: Vec<String>,
    }
    key: |row| row.image.clone();
    versions: [image = "image", cuda_at_least = "cuda-at-least"];
    identifiers: [];
}

row! {
    /// What a stage compiles for.
    Build {
        /// The stage.
        name: String,
        /// Its CUDA toolkit.
        toolkit: String,
        /// Compute capabilities: `8.9`.
        compute_capabilities: Vec<String>,
    }
    key: |row| row.name.clone();
    versions: [toolkit = "toolkit"];
    identifiers: [];
}

row! {
    /// A line of Python wheels that stages install: what its CUDA is, and for which cards it has code.
    Wheel {
        /// As its index calls it: `cu130`.
        name: String,
        /// Its CUDA toolkit.
        toolkit: String,
        /// Oldest compute capability that it has code for.
        first: String,
        /// Newest one.
        last: String,
    }
    key: |row| row.name.clone();
    versions: [toolkit = "toolkit", first = "first", last = "last"];
    identifiers: [];
}

row! {
    /// An architecture of NVIDIA.
    NvidiaArch {
        /// Prefixes of the chip's name in pci.ids.
        chips: Vec<String>,
        /// `ada`.
        name: String,
        /// `8.9`.
        compute_capability: String,
        /// First toolkit that compiles for it.
        cuda_first: Option<String>,
        /// Last toolkit that compiles for it.
        cuda_last: Option<String>,
        /// First driver branch.
        driver_first: Option<String>,
        /// Last driver branch.
        driver_last: Option<String>,
        /// Which kernel module drives it.
        open_module: OpenModule,
    }
    key: |row| row.chips.join(" ");
    versions: [compute_capability = "compute-capability", cuda_first = "cuda-first", cuda_last = "cuda-last",
        driver_first = "driver-first", driver_last = "driver-last"];
    identifiers: [];
}

row! {
    /// A system on chip of NVIDIA, whose GPU is not on PCI.
    Tegra {
        /// Entry of the device tree's `compatible`.
        compatible: String,
        /// What people call it.
        name: String,
        /// `8.7`.
        compute_capability: String,
    }
    key: |row| row.compatible.clone();
    versions: [compute_capability = "compute-capability"];
    identifiers: [];
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
