//! Rows about NVIDIA: toolkits, drivers, images, architectures.

use serde::Deserialize;

use super::{OpenModule, Row, Text};

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
