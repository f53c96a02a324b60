//! Which findings a change of the boot configuration mends, and what it sets.

use serde_json::Value;

use super::Wish;
use crate::host::{Finding, detect::Kernel};

/// Pages of 4 KiB in a GiB.
const PAGES: u64 = 262_144;

/// What mends a finding; none where no kernel parameter does. `gib` is the user's own size of the GPU's pool.
///
/// The pool starts with what the matrix says is safe for this size of machine; the most that was seen to work leaves the
/// system 4 to 8 GiB, and is for the user to choose.
pub fn wish(finding: &Finding, kernel: &Kernel, gib: Option<u64>) -> Option<Wish> {
    let number = |key: &str| finding.details.get(key).and_then(Value::as_u64);
    let chosen = gib.map(|gib| gib.saturating_mul(PAGES));
    match finding.id.as_str() {
        "amd.mem.gtt_default" => {
            let pages = chosen
                .or_else(|| number("start_pages_limit"))
                .or_else(|| number("suggest_pages_limit"))?;
            Some(pool(kernel, pages))
        }
        "amd.mem.large_carveout" => chosen.map(|pages| pool(kernel, pages)),
        "amd.param.gttsize_ttm_mismatch" => {
            Some(pool(kernel, chosen.or_else(|| number("gtt").map(|b| b / 4096))?))
        }
        "amd.param.gttsize_deprecated" | "amd.param.unknown_gtt_size" => Some(match chosen {
            Some(pages) => pool(kernel, pages),
            None => gone(&OBSOLETE),
        }),
        "amd.param.pages_limit_not_applied" => {
            let asked = finding.details.get("asked").and_then(Value::as_str)?.parse().ok();
            Some(pool(kernel, chosen.or(asked)?))
        }
        "amd.param.no_system_mem_limit" => Some(gone(&["amdgpu.no_system_mem_limit"])),
        "amd.npu.iommu_off" => {
            let name = finding.seen.split(['=', ' ']).next().unwrap_or_default();
            let known = ["amd_iommu", "iommu"].into_iter().find(|known| *known == name);
            known.map(|name| gone(&[name]))
        }
        _ => None,
    }
}

/// The most that the GPU's pool may have here, in GiB; none where the matrix does not know this machine.
pub fn most(finding: &Finding) -> Option<u64> {
    let pages = finding
        .details
        .get("suggest_pages_limit")
        .and_then(Value::as_u64)?;
    Some(pages / PAGES)
}

/// What a wish does, as a sentence.
pub fn sentence(wish: &Wish) -> String {
    let pages = wish.set.iter().find(|(name, _)| name.ends_with(".pages_limit"));
    let gib = pages.and_then(|(_, value)| Some(value.parse::<u64>().ok()? / PAGES));
    match gib {
        Some(gib) => format!("let the GPU use up to {gib} GiB of the memory, from the next start on"),
        None => format!("take {} out of the boot configuration", wish.remove.join(" and ")),
    }
}

/// Parameters that the kernel deprecated or never had.
const OBSOLETE: [&str; 2] = ["amdgpu.gttsize", "amdgpu.gtt_size"];

/// ROCm allocates what TTM's limit gives, in the module that really runs (amdgpu-dkms brings its own).
fn pool(kernel: &Kernel, pages: u64) -> Wish {
    let module = kernel.ttm_module.as_deref().unwrap_or("ttm");
    let other = if module == "ttm" { "amdttm" } else { "ttm" };
    let names = ["pages_limit", "page_pool_size"];
    let set = names.map(|name| (format!("{module}.{name}"), pages.to_string()));
    let mut wish = gone(&OBSOLETE);
    wish.remove.extend(names.map(|name| format!("{other}.{name}")));
    wish.set = set.into();
    wish
}

fn gone(names: &[&str]) -> Wish {
    Wish {
        set: vec![],
        remove: names.iter().map(|name| (*name).to_owned()).collect(),
    }
}
