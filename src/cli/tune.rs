//! `halolab doctor --fix ID` where a kernel parameter is the mend, and `--undo` of it: the change is shown as a diff,
//! agreed to, written down in the receipt, and has an exact inverse.

use std::{
    io::{BufRead as _, IsTerminal as _, Write as _},
    path::{Path, PathBuf},
};

use crate::{
    host::{
        self, Finding, Report, Root,
        boot::{self, Proposal, Way, mend},
        detect::Machine,
        findings::Pool,
        matrix,
    },
    log::sanitize_text,
    paths::Paths,
    plan::{Plan, Tuning},
    run::receipt::{Keeper, Open, ReceiptError},
};

use super::{
    Code, Setup, Stop,
    table::{foreign_json, note, out},
};

/// GiB that the system keeps for itself at the least.
const LEFT: u64 = 4;

/// How a change of the boot configuration is wanted.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct TuneArgs {
    /// With --fix of a memory finding: GiB that the GPU may use.
    #[arg(long, value_name = "GIB", requires = "fix")]
    gib: Option<u64>,
    /// With --fix: where kernel parameters are set; found out by default.
    #[arg(long, value_enum, requires = "fix")]
    via: Option<Way>,
    /// Show the change, and change nothing.
    #[arg(long)]
    dry_run: bool,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
}

impl From<ReceiptError> for Stop {
    fn from(error: ReceiptError) -> Self {
        match error {
            ReceiptError::Failed { .. } | ReceiptError::Command(_) => Self::new(Code::FAILED, error),
            ReceiptError::Unknown { .. } => Self::usage(error),
            _ => Self::blocked(error),
        }
    }
}

/// A size of the GPU's pool.
#[derive(Clone, Copy, Debug)]
pub(super) enum Size {
    /// What the matrix says for this machine.
    Suggested,
    /// The user's own, in GiB.
    Gib(u64),
}

impl std::str::FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "suggested" {
            return Ok(Self::Suggested);
        }
        let gib = text.parse().ok().filter(|gib| *gib > 0);
        gib.map(Self::Gib)
            .ok_or_else(|| "a whole number of GiB, 1 or more".to_owned())
    }
}

/// A machine whose GPU shares the memory: how much it may have, and the change that gives it more.
pub(super) struct Planner {
    folder: PathBuf,
    machine: Machine,
    /// Sizes.
    pub(super) pool: Pool,
}

impl Planner {
    /// Looks at this machine; none where no GPU shares its memory.
    pub(super) async fn look(setup: &Setup) -> Option<Self> {
        let folder = host::folder();
        let (matrix, _) = matrix::overlay(&setup.paths.matrix);
        let machine = Report::of(&folder, &matrix).await.machine;
        let pool = Pool::of(&machine, &matrix)?;
        Some(Self {
            folder,
            machine,
            pool,
        })
    }

    /// Lets a plan begin with the change to a size, in GiB.
    pub(super) fn begin(&self, plan: &mut Plan, gib: u64) -> Result<(), Stop> {
        let root = Root::new(&self.folder);
        let wish = mend::of_size(&self.machine.kernel, gib);
        let proposal = boot::propose(&root, &wish, None).map_err(Stop::blocked)?;
        plan.tune(&Tuning {
            wish,
            proposal,
            boot: root.read(host::BOOT_ID).unwrap_or_default(),
            root: (!root.is_live()).then(|| self.folder.clone()),
        });
        Ok(())
    }
}

/// Lets a plan begin with the size that is wanted of the GPU's pool; where none is, the offer is told.
pub(super) async fn first(setup: &Setup, plan: &mut Plan, size: Option<Size>) -> Result<(), Stop> {
    if size.is_none() && !plan.makes_a_gpu_lab() {
        return Ok(());
    }
    let planner = Planner::look(setup).await;
    let (Some(planner), Some(size)) = (&planner, size) else {
        if size.is_some() {
            return Err(Stop::blocked(
                "nothing was changed: no GPU of this machine shares its memory, so --tune has nothing to do",
            ));
        }
        if let Some(pool) = planner.map(|planner| planner.pool).filter(|pool| pool.is_default) {
            note(&format!(
                "the GPU's memory is at the kernel's default; --tune={} gives it more before the lab is made, after a \
                 restart of the machine",
                pool.suggestion()
            ));
        }
        return Ok(());
    };
    let pool = &planner.pool;
    let gib = match size {
        Size::Suggested => pool.suggestion(),
        Size::Gib(gib) if gib <= pool.most => gib,
        Size::Gib(gib) => {
            return Err(Stop::usage(format!(
                "nothing was changed: {gib} GiB would leave the system too little; this machine can give the GPU at \
                 most {} GiB",
                pool.most
            )));
        }
    };
    planner.begin(plan, gib)
}

/// Changes the boot configuration for a finding; none where no parameter mends it.
pub(super) async fn fix(
    setup: &Setup,
    finding: &Finding,
    machine: &Machine,
    root: &Path,
    args: &TuneArgs,
) -> Result<Option<Code>, Stop> {
    let (kernel, memory) = (&machine.kernel, machine.host.memory() >> 30);
    let most = mend::most(finding)
        .unwrap_or(memory)
        .min(memory.saturating_sub(LEFT));
    if let Some(gib) = args.gib.filter(|gib| *gib == 0 || *gib > most) {
        return Err(Stop::usage(format!(
            "nothing was changed: the GPU can have 1 to {most} of the {memory} GiB that this system sees, and not {gib}"
        )));
    }
    let Some(wish) = mend::wish(finding, kernel, args.gib) else {
        return Ok(None);
    };
    let proposal = boot::propose(&Root::new(root), &wish, args.via).map_err(Stop::blocked)?;
    let what = mend::sentence(&wish);
    if !agreed(setup, &what, &proposal, args)? {
        return Ok(Some(Code::OK));
    }
    let _lock = setup.hold_all("doctor --fix")?;
    let keeper = Keeper::new(&setup.paths.state, root);
    let id = keeper.make(&what, &wish, &proposal).await?;
    done(
        setup,
        &id,
        &format!("done: {what}. It can be taken back with `halolab doctor --undo {id}`"),
    )
    .map(Some)
}

/// Takes a change back, the newest one where none is named.
pub(super) async fn undo(setup: &Setup, id: &str, root: &Path, args: &TuneArgs) -> Result<Code, Stop> {
    let keeper = Keeper::new(&setup.paths.state, root);
    let (entry, proposal) = keeper.inverse((!id.is_empty()).then_some(id))?;
    let what = format!("take back {}: {}", entry.id, entry.what);
    if !agreed(setup, &what, &proposal, args)? {
        return Ok(Code::OK);
    }
    let _lock = setup.hold_all("doctor --undo")?;
    keeper.undo(&entry, &proposal).await?;
    done(setup, &entry.id, &format!("taken back: {}", entry.what))
}

fn done(setup: &Setup, id: &str, text: &str) -> Result<Code, Stop> {
    let next = "Restart the machine, then look with `halolab doctor`.";
    if setup.global.json {
        foreign_json(&serde_json::json!({"v": 1, "change": id, "text": text, "reboot": true}))?;
    } else {
        out(&sanitize_text(&format!("{text}.\n{next}")));
    }
    Ok(Code::REBOOT)
}

/// Shows a change and asks. False where it is not to be made: a dry run, or nothing to do.
fn agreed(setup: &Setup, what: &str, proposal: &Proposal, args: &TuneArgs) -> Result<bool, Stop> {
    if setup.global.json && args.dry_run {
        foreign_json(&serde_json::json!({"v": 1, "what": what, "proposal": proposal}))?;
        return Ok(false);
    }
    if proposal.changes.is_empty() && proposal.refresh.is_empty() {
        note(
            "nothing to do: the boot configuration says so already, and what runs agrees or a restart is still to come",
        );
        return Ok(false);
    }
    consent(setup, &text(what, proposal), args)
}

/// Shows what would be done to this machine, and gets the user's consent: by a flag, or asked. A dry run has none.
pub(super) fn consent(setup: &Setup, text: &str, args: &TuneArgs) -> Result<bool, Stop> {
    if args.dry_run {
        out(text);
        return Ok(false);
    }
    setup.may_change()?;
    if args.yes {
        if !setup.global.json {
            out(text);
        }
        return Ok(true);
    }
    let stdin = std::io::stdin();
    if setup.global.no_input || setup.global.json || !stdin.is_terminal() {
        return Err(Stop::usage(
            "nothing was changed: say yes with --yes, or look with --dry-run",
        ));
    }
    out(text);
    let _ = write!(std::io::stdout(), "Do this? Type yes to go on [no]: ");
    let _ = std::io::stdout().flush();
    let mut line = String::new();
    stdin.lock().read_line(&mut line)?;
    if matches!(line.trim(), "yes" | "y") {
        return Ok(true);
    }
    Err(Stop::new(Code::DECLINED, "nothing was changed"))
}

fn text(what: &str, proposal: &Proposal) -> String {
    let mut lines = vec![format!("This will {what}:\n")];
    lines.extend(proposal.changes.iter().map(boot::diff));
    if proposal.changes.is_empty() {
        lines.push(
            "The files say so already, but something else runs: what is made of them is made anew.".into(),
        );
    }
    if boot::lacks_refresh(proposal) {
        lines.push(
            "No program was found that makes the boot menu or the initial file system anew: do that by hand afterwards."
                .into(),
        );
    }
    if !proposal.refresh.is_empty() {
        lines.push("then, as root (in another system's folder: by hand, inside that system):".into());
        lines.extend(proposal.refresh.lines().map(|line| format!("  $ {line}")));
    }
    if proposal.refresh.is_empty() && proposal.way == Way::Modprobe {
        lines.push("No program that makes an initial file system was found: if the module is in one, make it anew by hand.".into());
    }
    lines.push("The files as they are now are kept, and `halolab doctor --undo` puts them back.".into());
    sanitize_text(&lines.join("\n"))
}

/// What halolab changed of the boot configuration below a root and still matters. Without a home there is no receipt.
pub(super) fn open(root: &Path) -> Result<Vec<Open>, Stop> {
    match Paths::discover() {
        Ok(paths) => Ok(Keeper::new(&paths.state, root).open()?),
        Err(_) => Ok(vec![]),
    }
}

/// A change for people: what it was for, where it stands, what takes it back.
pub(super) fn line(open: &Open) -> String {
    let Open {
        entry,
        standing,
        undo,
    } = open;
    let word = if standing.needs_restart() {
        "RESTART"
    } else {
        "CHANGE"
    };
    let mut lines = vec![
        format!("{word}  {}", entry.id),
        format!("      what   {}", entry.what),
        format!("      state  {}, made {}", standing.words(), entry.when),
        format!("      files  {}", open.files().join(", ")),
    ];
    lines.extend(undo.as_ref().map(|undo| format!("      $ {undo}")));
    sanitize_text(&lines.join("\n"))
}
