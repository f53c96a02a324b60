//! The proof of a lab as it is stored on it, and with it in each of its snapshots: compact JSON in
//! `user.halolab.verdict`. Labs of before have a line of text there, which is shown as it is.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use super::drift::Ground;
use crate::prove::{Grade, Outcome, Report};

/// Version of the stored format.
const VERSION: u32 = 1;

/// How the line of a proof begins that is not of what is there.
const NOT_PROVEN: &str = "not proven since ";

/// What stands between what happened and the proof of before.
const BEFORE: &str = "; before: ";

/// What was proven, on what, and when.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// Version of this format.
    pub v: u32,
    /// Everything passed that was tried.
    pub ok: bool,
    /// How the GPU was proven; none where a GPU is passed in and was not tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grade: Option<Grade>,
    /// RFC 3339.
    pub date: String,
    /// The kernel that it ran on; empty where another machine's.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub kernel: String,
    /// The GPU's kernel driver.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub driver: String,
    /// What of this machine it stands on; empty where an older halolab proved it, and on another machine.
    #[serde(default, skip_serializing_if = "Ground::is_empty")]
    pub host: Ground,
    /// The library inside: `CUDA 12.8`, `HIP 7.2.0`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub runtime: String,
    /// The GPUs on which a kernel ran.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gpus: Vec<Gpu>,
    /// Why the GPU is not proven.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub problem: String,
    /// What the stage's own checks said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<Check>,
    /// The run that proved it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub run: String,
    /// What happened to the lab since it was proven: `its update began`. Empty where this is the proof of what is there.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub stale: String,
    /// What a newer halolab wrote.
    #[serde(flatten)]
    pub rest: BTreeMap<String, serde_json::Value>,
}

/// A GPU on which a kernel ran.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Gpu {
    /// Its name.
    pub name: String,
    /// `sm_90`, `gfx1151`.
    pub arch: String,
    /// Bytes of its memory.
    pub memory: u64,
    /// Its address on the bus.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub pci: String,
}

/// What one check of the stage came to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// The step's title.
    pub step: String,
    /// It passed.
    pub ok: bool,
    /// Its verdict: the line that says `FAILED`, what it said where that is little, else its last line.
    pub said: String,
}

impl Verdict {
    /// Reads what is stored; none for the plain line of a lab of before, and for what nobody can read.
    pub fn read(stored: &str) -> Option<Self> {
        serde_json::from_str(stored).ok().or_else(|| Self::newer(stored))
    }

    /// One that only a newer halolab understands: the little that never changes, and all else as it is.
    fn newer(stored: &str) -> Option<Self> {
        let mut rest: BTreeMap<String, serde_json::Value> = serde_json::from_str(stored).ok()?;
        let v = u32::try_from(rest.remove("v")?.as_u64()?).ok()?;
        let mut text = |key: &str| {
            let found = rest.remove(key);
            found
                .and_then(|text| text.as_str().map(str::to_owned))
                .unwrap_or_default()
        };
        let (date, stale) = (text("date"), text("stale"));
        let ok = rest.remove("ok").and_then(|ok| ok.as_bool()).unwrap_or(false);
        (v > VERSION).then(|| Self {
            v,
            ok,
            date,
            stale,
            rest,
            ..Self::default()
        })
    }

    /// As it is stored.
    pub fn stored(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// What is stored as a line for people; text of another origin stays as it is.
    pub fn line(stored: &str) -> String {
        Self::read(stored).map_or_else(|| stored.to_owned(), |verdict| verdict.to_string())
    }

    /// What is stored, once what is in the lab is not what was proven any more; `since` says what happened. A line of
    /// another origin stays readable.
    pub fn stale(stored: &str, since: &str) -> String {
        let since = crate::log::sanitize(since);
        let Some(verdict) = Self::read(stored) else {
            let before = stored.rsplit_once(BEFORE).map_or(stored, |(_, before)| before);
            return format!("{NOT_PROVEN}{since}{BEFORE}{before}");
        };
        let verdict = Self {
            ok: false,
            stale: since,
            ..verdict
        };
        verdict.stored()
    }

    /// Whether what is stored is a proof that failed; a line of another origin says so itself.
    pub fn failed(stored: &str) -> bool {
        Self::read(stored).map_or_else(|| stored.starts_with("FAILED"), |verdict| !verdict.ok)
    }

    /// Of what a prover in the lab reported.
    pub fn of(report: &Report, run: &str) -> Self {
        let ran: Vec<_> = report
            .interfaces
            .iter()
            .filter(|i| i.outcome == Outcome::Ran)
            .collect();
        let clean = |text: &str| crate::log::sanitize(text);
        let gpus = ran.iter().flat_map(|i| &i.devices).map(|device| Gpu {
            name: clean(&device.name),
            arch: clean(&device.arch),
            memory: device.memory,
            pci: clean(&device.pci),
        });
        Self {
            v: VERSION,
            ok: report.grade != Grade::Failed,
            grade: Some(report.grade),
            date: clean(&report.date),
            kernel: clean(&report.kernel),
            driver: report.best().map(|i| clean(&i.driver)).unwrap_or_default(),
            runtime: report.best().map(|i| clean(&i.runtime)).unwrap_or_default(),
            gpus: gpus.collect(),
            run: run.to_owned(),
            ..Self::default()
        }
    }

    /// The same, with what it stands on.
    #[must_use]
    pub fn on(mut self, host: Ground) -> Self {
        self.host = host;
        self
    }

    /// What it stands on; of a verdict of before what it says by the way.
    pub fn ground(&self) -> Ground {
        if !self.host.is_empty() {
            return self.host.clone();
        }
        let nvidia = match self.grade {
            Some(Grade::Cuda) => self.driver.clone(),
            _ => String::new(),
        };
        Ground {
            kernel: self.kernel.clone(),
            nvidia,
            ..Ground::default()
        }
    }

    /// Of a lab whose GPU was not tried: CPU only where none is passed in.
    pub fn without_gpu(grade: Option<Grade>, kernel: String, run: &str) -> Self {
        Self {
            v: VERSION,
            ok: true,
            grade,
            date: now(),
            kernel,
            run: run.to_owned(),
            ..Self::default()
        }
    }

    /// Adds what a check of the stage said, in place of what it said before.
    pub fn add(&mut self, check: Check) {
        self.checks.retain(|earlier| earlier.step != check.step);
        self.checks.push(check);
        let gpu = self.problem.is_empty() && self.grade != Some(Grade::Failed);
        self.ok = gpu && self.checks.iter().all(|check| check.ok);
    }

    /// How the GPU was proven, in a few words.
    fn gpu(&self) -> String {
        let Some(grade) = self.grade else {
            return "GPU not proven".into();
        };
        if grade == Grade::CpuOnly {
            return "CPU only".into();
        }
        let mut archs: Vec<&str> = self.gpus.iter().map(|gpu| gpu.arch.as_str()).collect();
        archs.dedup();
        let count = match self.gpus.len() {
            0 | 1 => String::new(),
            count => format!("{count} x "),
        };
        format!("{} {count}{}", grade.name(), archs.join("+"))
            .trim()
            .to_owned()
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.stale.is_empty() {
            write!(f, "{NOT_PROVEN}{}{BEFORE}", self.stale)?;
        }
        if self.v > VERSION {
            return write!(f, "proven by a newer halolab on {}", self.date);
        }
        if !self.problem.is_empty() {
            return write!(f, "FAILED: {}", self.problem);
        }
        if let Some(check) = self.checks.iter().find(|check| !check.ok) {
            let said = check.said.trim_start_matches("FAILED: ");
            return write!(f, "FAILED: {said}");
        }
        let gpu = self.gpu();
        let said: Vec<&str> = self.checks.iter().map(|c| c.said.as_str()).collect();
        let said = said.join("; ");
        // A stage that says so itself need not be interrupted.
        if said.starts_with(&gpu) {
            return f.write_str(&said);
        }
        if said.is_empty() {
            let mut names: Vec<&str> = self.gpus.iter().map(|gpu| gpu.name.as_str()).collect();
            names.dedup();
            let on = if names.is_empty() { "" } else { " on " };
            return write!(f, "{gpu}{on}{}", names.join(", "));
        }
        write!(f, "{gpu}; {said}")
    }
}

fn now() -> String {
    let whole = jiff::TimestampRound::new()
        .smallest(jiff::Unit::Second)
        .mode(jiff::RoundMode::Trunc);
    let now = jiff::Timestamp::now().round(whole);
    now.map_or_else(|_| String::new(), |now| now.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(ok: bool, said: &str) -> Check {
        Check {
            step: "compute".into(),
            ok,
            said: said.into(),
        }
    }

    #[test]
    fn labs_of_before_stay_readable() {
        for text in [
            "gfx1151 ok, ROCm 7.14",
            "FAILED: no GPU",
            "",
            "{\"v\":",
            "{}",
            "null",
            "7",
        ] {
            assert_eq!(Verdict::line(text), text);
        }
    }

    #[test]
    fn a_proof_of_before_is_not_shown_as_one_of_now() {
        let mut verdict = Verdict::without_gpu(Some(Grade::CpuOnly), "6.18".into(), "run");
        verdict.ok = true;
        let once = Verdict::stale(&verdict.stored(), "its update began");
        let twice = Verdict::stale(&once, "the restore of clean");
        assert!(!Verdict::read(&twice).unwrap().ok);
        let line = "not proven since the restore of clean; before: CPU only";
        assert_eq!(Verdict::line(&twice), line);
        let plain = Verdict::stale("gfx1151 ok", "its update began");
        let plain = Verdict::stale(&plain, "the restore of clean");
        let line = "not proven since the restore of clean; before: gfx1151 ok";
        assert_eq!(Verdict::line(&plain), line);
    }

    #[test]
    fn a_newer_format_is_not_taken_for_this_one() {
        let newer = r#"{"v":2,"ok":true,"grade":"cuda","date":"2027-01-01T00:00:00Z","more":[1]}"#;
        assert_eq!(
            Verdict::line(newer),
            "proven by a newer halolab on 2027-01-01T00:00:00Z"
        );
        for unknown in ["\"more\":[1]", "\"grade\":\"metal\""] {
            let newer = format!(r#"{{"v":2,"ok":true,"date":"2027-01-01T00:00:00Z",{unknown}}}"#);
            let stale = Verdict::stale(&newer, "the restore of clean");
            assert!(stale.contains(unknown), "what is not known stays: {stale}");
            assert!(stale.contains("\"v\":2") && Verdict::failed(&stale), "{stale}");
        }
    }

    #[test]
    fn one_of_an_older_format_is_read() {
        let older = r#"{"v":0,"ok":true,"grade":"cuda","date":"2025-01-01T00:00:00Z"}"#;
        assert!(Verdict::read(older).unwrap().ok);
        assert!(Verdict::stale(older, "x").contains("\"v\":0"));
    }

    #[test]
    fn the_line_says_how_and_what() {
        let mut verdict = Verdict::without_gpu(Some(Grade::CpuOnly), "6.18".into(), "run");
        assert_eq!(verdict.to_string(), "CPU only");
        verdict.add(check(true, "ok: Rust 1.95"));
        assert_eq!(verdict.to_string(), "CPU only; ok: Rust 1.95");
        verdict.add(check(true, "CPU only: PyTorch 2.9"));
        assert_eq!(Verdict::line(&verdict.stored()), "CPU only: PyTorch 2.9");
        let gpu = Gpu {
            arch: "sm_90".into(),
            ..Gpu::default()
        };
        verdict.gpus = vec![gpu.clone(), gpu];
        verdict.grade = Some(Grade::Cuda);
        verdict.add(check(true, "PyTorch 2.9"));
        assert_eq!(verdict.to_string(), "cuda 2 x sm_90; PyTorch 2.9");
        verdict.add(check(false, "no GPU inside"));
        assert!(!verdict.ok);
        assert!(Verdict::failed(&verdict.stored()) && Verdict::failed("FAILED: no GPU"));
        assert!(!Verdict::failed("gfx1151 ok"));
        assert_eq!(verdict.to_string(), "FAILED: no GPU inside");
    }
}
