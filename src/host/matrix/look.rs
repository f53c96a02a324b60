//! Questions to the matrix.

use super::{
    AmdGfx, AmdGpu, Cuda, Display, Firmware, FirmwarePackage, KernelFix, Matrix, Memory, NpuModel,
    NvidiaArch, Verdict,
    version::{Version, at_least},
};

/// Bytes of a page that `pages_limit` counts.
pub(crate) const PAGE: u64 = 4096;

impl Matrix {
    /// A graphics processor of AMD by PCI identifier.
    pub fn amd_gpu(&self, id: &str) -> Option<&AmdGpu> {
        self.amd_gpu.iter().find(|row| row.id == id)
    }

    /// A compute target of AMD.
    pub fn gfx(&self, gfx: &str) -> Option<&AmdGfx> {
        self.amd_gfx.iter().find(|row| row.gfx == gfx)
    }

    /// The compute target of an IP discovery version.
    pub fn gfx_of_ip(&self, major: u64, minor: u64, revision: u64) -> String {
        let gc = format!("{major}.{minor}.{revision}");
        let known = self.amd_ip.iter().find(|row| row.gc == gc);
        known.map_or_else(
            || format!("gfx{major}{minor:x}{revision:x}"),
            |row| row.gfx.clone(),
        )
    }

    /// A neural processor by PCI identifier.
    pub fn npu(&self, id: &str) -> Option<&NpuModel> {
        self.npu.iter().find(|row| row.id == id)
    }

    /// A display device that computes nothing, by PCI identifier.
    pub fn display(&self, id: &str) -> Option<&Display> {
        self.display.iter().find(|row| row.id == id)
    }

    /// An NVIDIA architecture by the name that pci.ids has for the device: `AD102 [GeForce RTX 4090]`.
    pub fn arch_of_chip(&self, name: &str) -> Option<&NvidiaArch> {
        let chip = name.split_whitespace().next()?;
        let fits = |row: &&NvidiaArch| longest(row, chip) > 0;
        self.nvidia_arch
            .iter()
            .filter(fits)
            .max_by_key(|row| longest(row, chip))
    }

    /// An NVIDIA architecture by compute capability.
    pub fn arch_of_capability(&self, capability: &str) -> Option<&NvidiaArch> {
        self.nvidia_arch
            .iter()
            .find(|row| row.compute_capability == capability)
    }

    /// Bad firmware that is running.
    pub fn bad_firmware(&self, component: &str, version: &str, gfx: &str) -> Option<&Firmware> {
        self.firmware.iter().find(|row| {
            row.verdict == Verdict::Bad
                && row.component == component
                && row.version == version
                && row.gfx.iter().any(|target| target == gfx)
        })
    }

    /// A bad release of linux-firmware. `version` may go on after the release: `20251125-1.fc43`.
    pub fn bad_package(&self, version: &str, gfx: &str) -> Option<&FirmwarePackage> {
        self.firmware_package.iter().find(|row| {
            row.verdict == Verdict::Bad
                && is_release(version, &row.version)
                && row.gfx.iter().any(|target| target == gfx)
        })
    }

    /// The kernel line that this kernel belongs to, for a target that needs a fix.
    pub fn kernel_fix(&self, gfx: &str, os: &str, kernel: &str) -> Option<&KernelFix> {
        self.kernel_fix.iter().find(|row| {
            row.gfx.iter().any(|target| target == gfx)
                && row.os.as_deref().is_none_or(|id| id == os)
                && row
                    .suffix
                    .as_deref()
                    .is_none_or(|suffix| kernel.ends_with(suffix))
                && same_line(row, kernel)
        })
    }

    /// The memory size that a machine was sold with: the smallest that holds what it shows.
    /// Firmware and carve-outs take a part of it, so much less than the next smaller size is none of ours.
    pub fn memory(&self, bytes: u64) -> Option<&Memory> {
        let gib = bytes.div_ceil(1 << 30);
        let holds = |row: &&Memory| {
            row.installed_gib >= gib && row.installed_gib.saturating_mul(4) <= gib.saturating_mul(5)
        };
        self.memory
            .iter()
            .filter(holds)
            .min_by_key(|row| row.installed_gib)
    }

    /// From which size on a carve-out is large, in bytes.
    pub fn large_carve_out(&self) -> u64 {
        self.carve_out
            .first()
            .map_or(u64::MAX, |row| row.warn_gib.saturating_mul(1 << 30))
    }

    /// The CUDA version that a driver brings, by its branch: that of the nearest older branch that is known.
    pub fn cuda_of_driver(&self, driver: &str) -> Option<&str> {
        let branch = Version::parse(driver)?.major();
        let known = self.driver_branch.iter().filter(|row| row.branch <= branch);
        known.max_by_key(|row| row.branch).map(|row| row.cuda.as_str())
    }

    /// The toolkit by name; `12.9` is its first release.
    pub fn toolkit(&self, name: &str) -> Option<&Cuda> {
        let first = |row: &&Cuda| {
            row.toolkit
                .strip_prefix(name)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        self.cuda.iter().find(|row| row.toolkit == name).or_else(|| {
            self.cuda
                .iter()
                .filter(first)
                .min_by_key(|row| Version::parse(&row.toolkit))
        })
    }

    /// The oldest driver that runs a toolkit, be it by minor-version compatibility.
    pub fn oldest_driver<'m>(&'m self, toolkit: &'m Cuda) -> &'m str {
        let major = Version::parse(&toolkit.toolkit).map_or(0, |version| version.major());
        let compat = self.cuda_compat.iter().find(|row| row.major == major);
        compat.map_or(&toolkit.driver, |row| &row.driver)
    }

    /// How a driver runs a toolkit: `native`, `minor-compat` or `no`.
    pub fn toolkit_on(&self, toolkit: &Cuda, driver: &str) -> &'static str {
        let major = Version::parse(&toolkit.toolkit).map_or(0, |version| version.major());
        let compat = self.cuda_compat.iter().find(|row| row.major == major);
        if at_least(driver, &toolkit.driver) {
            "native"
        } else if compat.is_some_and(|row| at_least(driver, &row.driver)) {
            "minor-compat"
        } else {
            "no"
        }
    }
}

/// Length of the longest prefix that fits; 0 where none does.
fn longest(row: &NvidiaArch, chip: &str) -> usize {
    let fits = row
        .chips
        .iter()
        .filter(|prefix| chip.starts_with(prefix.as_str()));
    fits.map(String::len).max().unwrap_or(0)
}

fn is_release(version: &str, release: &str) -> bool {
    version
        .strip_prefix(release)
        .is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_digit()))
}

/// A row with a suffix is about one line of kernels: that of its first two numbers, or an older one.
/// A newer line is mainline's: 7.0 of Ubuntu is not judged by 6.17.
fn same_line(row: &KernelFix, kernel: &str) -> bool {
    let line = |text: &str| Version::parse(text).map(|version| version.first(2));
    row.suffix.is_none() || line(kernel) <= line(&row.minimum)
}
