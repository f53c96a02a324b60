//! The boot configuration: shown as a change, made with a receipt, taken back exactly.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(
    clippy::disallowed_methods,
    reason = "a test starts the program as a shell does"
)]

use std::{fs, path::Path};

use halolab::{
    host::{
        Root,
        boot::{self, BootError, Way, Wish},
    },
    run::receipt::{Keeper, ReceiptError, State},
};
use proptest::prelude::*;
use rstest::rstest;

const GRUB: &str = "GRUB_DEFAULT=0\nGRUB_CMDLINE_LINUX_DEFAULT=\"quiet splash amdgpu.gttsize=126000\" # mine\nGRUB_CMDLINE_LINUX=''\n";
const ENTRY: &str = "title Arch\nlinux /vmlinuz\noptions root=UUID=1 rw\noptions quiet\n";
const LIMINE_TOOL: &str = "ESP_PATH=\"/boot\"\nKERNEL_CMDLINE[default]+=\"quiet nowatchdog\"\n";
const LIMINE: &str = "timeout: 5\n/Arch\n    protocol: linux\n    cmdline: root=UUID=1 rw\n";
const REFIND: &str = "\"Boot normally\" \"root=UUID=1 rw\"\n\"Boot quietly\"  \"root=UUID=1 quiet dyndbg=\"\"file a +p\"\"\"\n";

fn wish() -> Wish {
    Wish {
        set: vec![
            ("ttm.pages_limit".into(), "25165824".into()),
            ("ttm.page_pool_size".into(), "25165824".into()),
        ],
        remove: vec!["amdgpu.gttsize".into(), "amdgpu.gtt_size".into()],
    }
}

fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    put(root.path(), "/proc/sys/kernel/osrelease", "6.18.4-arch1-1\n");
    for (path, text) in files {
        put(root.path(), path, text);
    }
    root
}

fn put(root: &Path, path: &str, text: &str) {
    let path = root.join(path.trim_start_matches('/'));
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn get(root: &Path, path: &str) -> String {
    fs::read_to_string(root.join(path.trim_start_matches('/'))).unwrap_or_default()
}

const SET: &str = "ttm.pages_limit=25165824 ttm.page_pool_size=25165824";

#[rstest]
#[case::grub(
    Way::Grub,
    "/etc/default/grub",
    GRUB,
    "GRUB_DEFAULT=0\nGRUB_CMDLINE_LINUX_DEFAULT=\"quiet splash SET\" # mine\nGRUB_CMDLINE_LINUX=''\n"
)]
#[case::grub_with_nothing(
    Way::Grub,
    "/etc/default/grub",
    "GRUB_DEFAULT=0",
    "GRUB_DEFAULT=0\nGRUB_CMDLINE_LINUX_DEFAULT=\"SET\"\n"
)]
#[case::grub_without_quotes(
    Way::Grub,
    "/etc/default/grub",
    "GRUB_CMDLINE_LINUX_DEFAULT=quiet\n",
    "GRUB_CMDLINE_LINUX_DEFAULT=\"quiet SET\"\n"
)]
#[case::systemd_boot(
    Way::SystemdBoot,
    "/boot/loader/entries/arch.conf",
    ENTRY,
    "title Arch\nlinux /vmlinuz\noptions root=UUID=1 rw\noptions quiet SET\n"
)]
#[case::kernel_install(
    Way::SystemdBoot,
    "/etc/kernel/cmdline",
    "root=UUID=1 rw\n",
    "root=UUID=1 rw SET\n"
)]
#[case::limine_tool(
    Way::Limine,
    "/etc/default/limine",
    LIMINE_TOOL,
    "ESP_PATH=\"/boot\"\nKERNEL_CMDLINE[default]+=\"quiet nowatchdog\"\nKERNEL_CMDLINE[default]+=\"SET\"\n"
)]
#[case::limine(
    Way::Limine,
    "/boot/limine.conf",
    LIMINE,
    "timeout: 5\n/Arch\n    protocol: linux\n    cmdline: root=UUID=1 rw SET\n"
)]
#[case::refind(
    Way::Refind,
    "/boot/refind_linux.conf",
    REFIND,
    "\"Boot normally\" \"root=UUID=1 rw SET\"\n\"Boot quietly\"  \"root=UUID=1 quiet dyndbg=\"\"file a +p\"\" SET\"\n"
)]
#[tokio::test]
async fn every_boot_loader_is_changed_and_put_back_to_the_byte(
    #[case] way: Way,
    #[case] path: &str,
    #[case] before: &str,
    #[case] after: &str,
) {
    let root = tree(&[(path, before)]);
    let state = tempfile::tempdir().unwrap();
    let keeper = Keeper::new(state.path(), root.path());
    let proposal = boot::propose(&Root::new(root.path()), &wish(), Some(way)).unwrap();
    assert_eq!(proposal.changes.len(), 1, "{proposal:?}");
    assert!(boot::diff(&proposal.changes[0]).contains("+++ /"));
    assert_eq!(get(root.path(), path), before, "a proposal changes nothing");

    let id = keeper
        .make("set the memory pool", &wish(), &proposal)
        .await
        .unwrap();
    assert_eq!(get(root.path(), path), after.replace("SET", SET));
    let again = boot::propose(&Root::new(root.path()), &wish(), Some(way)).unwrap();
    assert_eq!(again.changes, [], "a second time there is nothing to do");

    let (entry, back) = keeper.inverse(Some(&id)).unwrap();
    keeper.undo(&entry, &back).await.unwrap();
    assert_eq!(get(root.path(), path), before);
    assert_eq!(keeper.read().unwrap().entries[0].state, State::Undone);
    assert!(matches!(keeper.inverse(None), Err(ReceiptError::Unknown { .. })));
}

#[tokio::test]
async fn modules_are_told_by_modprobe_and_what_is_obsolete_goes_wherever_it_is() {
    let root = tree(&[
        ("/etc/default/grub", "GRUB_CMDLINE_LINUX_DEFAULT=\"quiet\"\n"),
        (
            "/etc/modprobe.d/amd.conf",
            "# mine\noptions amdgpu gttsize=126000 ppfeaturemask=0xffff\noptions ttm pages_limit=5\n",
        ),
    ]);
    let proposal = boot::propose(&Root::new(root.path()), &wish(), None).unwrap();
    assert_eq!(proposal.way, Way::Modprobe);
    let state = tempfile::tempdir().unwrap();
    let keeper = Keeper::new(state.path(), root.path());
    keeper.make("x", &wish(), &proposal).await.unwrap();
    assert_eq!(
        get(root.path(), "/etc/modprobe.d/amd.conf"),
        "# mine\noptions amdgpu ppfeaturemask=0xffff\n"
    );
    let ours = get(root.path(), "/etc/modprobe.d/zz-halolab.conf");
    assert!(
        ours.ends_with("options ttm pages_limit=25165824\noptions ttm page_pool_size=25165824\n"),
        "{ours}"
    );
    let (entry, back) = keeper.inverse(None).unwrap();
    keeper.undo(&entry, &back).await.unwrap();
    assert!(!root.path().join("etc/modprobe.d/zz-halolab.conf").exists());
    assert!(get(root.path(), "/etc/modprobe.d/amd.conf").contains("options ttm pages_limit=5"));
}

#[test]
fn what_is_on_the_command_line_already_stays_there() {
    let root = tree(&[("/etc/default/grub", GRUB)]);
    let proposal = boot::propose(&Root::new(root.path()), &wish(), None).unwrap();
    assert_eq!(proposal.way, Way::Grub);
}

#[test]
fn a_module_in_the_kernel_is_told_on_the_command_line() {
    let builtin = (
        "/lib/modules/6.18.4-arch1-1/modules.builtin",
        "kernel/drivers/gpu/drm/ttm/ttm.ko\n",
    );
    let root = tree(&[
        ("/etc/default/grub", "GRUB_CMDLINE_LINUX_DEFAULT=\"quiet\"\n"),
        builtin,
    ]);
    let proposal = boot::propose(&Root::new(root.path()), &wish(), None).unwrap();
    assert_eq!(proposal.way, Way::Grub);
    let bare = tree(&[builtin]);
    let error = boot::propose(&Root::new(bare.path()), &wish(), None).unwrap_err();
    assert!(
        matches!(&error, BootError::NoLoader { parameters } if parameters == SET),
        "{error}"
    );
}

#[test]
fn of_two_boot_loaders_the_one_that_booted_counts() {
    let files = [
        ("/etc/default/grub", GRUB),
        (
            "/boot/limine.conf",
            "/Arch\n    cmdline: quiet amdgpu.gttsize=1\n",
        ),
    ];
    let root = tree(&files);
    let error = boot::propose(&Root::new(root.path()), &iommu(), None).unwrap_err();
    assert!(
        matches!(&error, BootError::Several { found } if found == "grub, limine"),
        "{error}"
    );
    let mut info = vec![6, 0, 0, 0];
    info.extend("Limine 9.2.0\0".encode_utf16().flat_map(u16::to_le_bytes));
    let variable = "sys/firmware/efi/efivars/LoaderInfo-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f";
    put(root.path(), variable, "");
    fs::write(root.path().join(variable), info).unwrap();
    assert_eq!(
        boot::propose(&Root::new(root.path()), &iommu(), None)
            .unwrap()
            .way,
        Way::Limine
    );
}

fn iommu() -> Wish {
    Wish {
        set: vec![("amd_iommu".into(), "off".into())],
        remove: vec![],
    }
}

#[tokio::test]
async fn a_file_that_changed_meanwhile_is_not_touched() {
    let root = tree(&[("/etc/default/grub", GRUB)]);
    let state = tempfile::tempdir().unwrap();
    let keeper = Keeper::new(state.path(), root.path());
    let proposal = boot::propose(&Root::new(root.path()), &wish(), None).unwrap();
    put(root.path(), "/etc/default/grub", "GRUB_TIMEOUT=1\n");
    let error = keeper.make("x", &wish(), &proposal).await.unwrap_err();
    assert!(
        matches!(&error, ReceiptError::Meanwhile(what) if what.contains("grub was changed")),
        "{error}"
    );
    assert_eq!(get(root.path(), "/etc/default/grub"), "GRUB_TIMEOUT=1\n");
    assert!(matches!(keeper.inverse(None), Err(ReceiptError::Unknown { .. })));
}

#[tokio::test]
async fn what_a_new_kernel_brought_and_what_a_person_added_is_treated_by_parameter() {
    let root = tree(&[("/boot/loader/entries/a.conf", ENTRY)]);
    let state = tempfile::tempdir().unwrap();
    let keeper = Keeper::new(state.path(), root.path());
    let proposal = boot::propose(&Root::new(root.path()), &wish(), Some(Way::SystemdBoot)).unwrap();
    keeper.make("x", &wish(), &proposal).await.unwrap();
    let mine = get(root.path(), "/boot/loader/entries/a.conf").replace("rw\n", "rw mine=1\n");
    put(root.path(), "/boot/loader/entries/a.conf", &mine);
    put(
        root.path(),
        "/boot/loader/entries/b.conf",
        &mine.replace("Arch", "New"),
    );
    let (entry, back) = keeper.inverse(None).unwrap();
    keeper.undo(&entry, &back).await.unwrap();
    let expected = ENTRY.replace("rw\n", "rw mine=1\n");
    assert_eq!(get(root.path(), "/boot/loader/entries/a.conf"), expected);
    assert_eq!(
        get(root.path(), "/boot/loader/entries/b.conf"),
        expected.replace("Arch", "New")
    );
}

#[tokio::test]
async fn undo_gives_a_persons_parameter_back_in_a_file_that_they_edited_since() {
    for (way, path, before) in [
        (Way::Grub, "/etc/default/grub", GRUB),
        (
            Way::Limine,
            "/etc/default/limine",
            "KERNEL_CMDLINE[default]=\"quiet amdgpu.gttsize=126000\"\n",
        ),
        (
            Way::Modprobe,
            "/etc/modprobe.d/zz-halolab.conf",
            "options amdgpu gttsize=126000\n",
        ),
    ] {
        let root = tree(&[(path, before)]);
        let state = tempfile::tempdir().unwrap();
        let keeper = Keeper::new(state.path(), root.path());
        let proposal = boot::propose(&Root::new(root.path()), &wish(), Some(way)).unwrap();
        keeper.make("x", &wish(), &proposal).await.unwrap();
        put(
            root.path(),
            path,
            &format!("# a note\n{}", get(root.path(), path)),
        );
        let (entry, back) = keeper.inverse(None).unwrap();
        keeper.undo(&entry, &back).await.unwrap();
        let now = get(root.path(), path);
        assert!(
            now.contains("gttsize=126000") && !now.contains("pages_limit"),
            "{way:?} {now}"
        );
    }
}

#[tokio::test]
async fn undo_leaves_a_file_alone_that_has_its_old_text_again() {
    let root = tree(&[("/etc/default/grub", GRUB)]);
    let state = tempfile::tempdir().unwrap();
    let keeper = Keeper::new(state.path(), root.path());
    let proposal = boot::propose(&Root::new(root.path()), &wish(), None).unwrap();
    keeper.make("x", &wish(), &proposal).await.unwrap();
    put(root.path(), "/etc/default/grub", GRUB);
    let (entry, back) = keeper.inverse(None).unwrap();
    assert_eq!(back.changes, []);
    keeper.undo(&entry, &back).await.unwrap();
    assert_eq!(get(root.path(), "/etc/default/grub"), GRUB);
}

#[tokio::test]
async fn an_older_change_is_not_taken_back_from_under_a_newer_one() {
    let root = tree(&[("/etc/default/grub", GRUB)]);
    let state = tempfile::tempdir().unwrap();
    let keeper = Keeper::new(state.path(), root.path());
    let mut more = wish();
    let first = boot::propose(&Root::new(root.path()), &more, None).unwrap();
    let older = keeper.make("x", &more, &first).await.unwrap();
    more.set = vec![("ttm.pages_limit".into(), "9".into())];
    let second = boot::propose(&Root::new(root.path()), &more, None).unwrap();
    let newer = keeper.make("y", &more, &second).await.unwrap();
    let error = keeper.inverse(Some(&older)).unwrap_err();
    assert!(
        matches!(&error, ReceiptError::Later { later, .. } if *later == newer),
        "{error}"
    );
    for _ in 0..2 {
        let (entry, back) = keeper.inverse(None).unwrap();
        keeper.undo(&entry, &back).await.unwrap();
    }
    assert_eq!(get(root.path(), "/etc/default/grub"), GRUB);
}

#[tokio::test]
async fn a_change_of_another_root_is_none_of_this_one() {
    let (one, other) = (
        tree(&[("/etc/default/grub", GRUB)]),
        tree(&[("/etc/default/grub", GRUB)]),
    );
    let state = tempfile::tempdir().unwrap();
    let keeper = Keeper::new(state.path(), one.path());
    let proposal = boot::propose(&Root::new(one.path()), &wish(), None).unwrap();
    keeper.make("x", &wish(), &proposal).await.unwrap();
    let elsewhere = Keeper::new(state.path(), other.path());
    assert!(matches!(
        elsewhere.inverse(None),
        Err(ReceiptError::Unknown { .. })
    ));
}

#[rstest]
#[case::goes_on("GRUB_CMDLINE_LINUX_DEFAULT=\"quiet \\\n splash\"\n", 1)]
#[case::words_after("GRUB_TIMEOUT=1\nGRUB_CMDLINE_LINUX_DEFAULT=quiet # note\n", 2)]
#[case::of_the_shell("GRUB_CMDLINE_LINUX_DEFAULT=\"quiet\"$MORE\n", 1)]
fn a_line_that_a_program_should_not_touch_is_named(#[case] text: &str, #[case] number: usize) {
    let root = tree(&[("/etc/default/grub", text)]);
    let error = boot::propose(&Root::new(root.path()), &wish(), Some(Way::Grub)).unwrap_err();
    assert!(
        matches!(&error, BootError::Form { line, .. } if *line == number),
        "{error}"
    );
}

#[test]
fn a_parameter_that_the_kernel_was_started_with_is_found_or_said() {
    let cmdline = ("/proc/cmdline", "root=a ttm.pages_limit=5\n");
    let bare = tree(&[cmdline]);
    assert!(boot::propose(&Root::new(bare.path()), &wish(), None).is_err());
    let lost = tree(&[
        cmdline,
        ("/etc/default/grub", "GRUB_CMDLINE_LINUX_DEFAULT=\"quiet\"\n"),
    ]);
    let error = boot::propose(&Root::new(lost.path()), &wish(), Some(Way::Modprobe)).unwrap_err();
    assert!(
        matches!(&error, BootError::Unfound { parameter } if parameter == "ttm.pages_limit=5"),
        "{error}"
    );
    let grub = "GRUB_CMDLINE_LINUX_DEFAULT=\"ttm.pages_limit=5\"\n";
    let root = tree(&[cmdline, ("/etc/default/grub", grub)]);
    let moved = boot::propose(&Root::new(root.path()), &wish(), Some(Way::Modprobe)).unwrap();
    let paths: Vec<&str> = moved.changes.iter().map(|c| c.path.as_str()).collect();
    assert_eq!(paths, ["/etc/modprobe.d/zz-halolab.conf", "/etc/default/grub"]);
}

#[test]
fn what_is_made_of_the_files_is_made_anew_where_something_else_runs() {
    let root = tree(&[
        ("/usr/sbin/update-initramfs", ""),
        ("/usr/sbin/update-grub", ""),
        ("/sys/module/ttm/parameters/pages_limit", "5\n"),
    ]);
    let first = boot::propose(&Root::new(root.path()), &wish(), Some(Way::Modprobe)).unwrap();
    assert_eq!(first.refresh, "update-initramfs -u -k all");
    for change in &first.changes {
        put(root.path(), &change.path, change.after.as_deref().unwrap());
    }
    let again = boot::propose(&Root::new(root.path()), &wish(), Some(Way::Modprobe)).unwrap();
    assert_eq!(
        (again.changes.len(), again.refresh.as_str()),
        (0, "update-initramfs -u -k all")
    );
    put(
        root.path(),
        "/sys/module/ttm/parameters/pages_limit",
        "25165824\n",
    );
    put(
        root.path(),
        "/sys/module/ttm/parameters/page_pool_size",
        "25165824\n",
    );
    assert_eq!(
        boot::propose(&Root::new(root.path()), &wish(), Some(Way::Modprobe))
            .unwrap()
            .refresh,
        ""
    );
}

#[tokio::test]
async fn a_receipt_of_a_newer_halolab_keeps_what_we_do_not_know() {
    let root = tree(&[("/etc/default/grub", GRUB)]);
    let state = tempfile::tempdir().unwrap();
    put(
        state.path(),
        "receipt.json",
        r#"{"version": 7, "entries": [], "moon": "full"}"#,
    );
    let keeper = Keeper::new(state.path(), root.path());
    let proposal = boot::propose(&Root::new(root.path()), &wish(), None).unwrap();
    keeper.make("x", &wish(), &proposal).await.unwrap();
    let text = get(state.path(), "receipt.json");
    assert!(text.contains("moon") && text.contains("\"version\": 7"), "{text}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_text_of_any_loader_is_changed_once_and_without_a_panic(text in "\\PC*|([A-Z_=\"' a-z.0-9\\\\\\n:\\[\\]+$#-]{0,200})") {
        for (way, path) in [
            (Way::Grub, "/etc/default/grub"),
            (Way::SystemdBoot, "/etc/kernel/cmdline"),
            (Way::Limine, "/etc/default/limine"),
            (Way::Refind, "/boot/refind_linux.conf"),
            (Way::Modprobe, "/etc/modprobe.d/a.conf"),
        ] {
            let root = tree(&[(path, &text)]);
            let Ok(first) = boot::propose(&Root::new(root.path()), &wish(), Some(way)) else { continue };
            for change in &first.changes {
                put(root.path(), &change.path, change.after.as_deref().unwrap_or_default());
            }
            let second = boot::propose(&Root::new(root.path()), &wish(), Some(way)).unwrap();
            prop_assert_eq!(second.changes, vec![], "{:?}", way);
        }
    }
}

fn halolab(home: &Path, arguments: &[&str]) -> (i32, String) {
    let ended = std::process::Command::new(env!("CARGO_BIN_EXE_halolab"))
        .args(arguments)
        .env("HALOLAB_HOME", home)
        .output()
        .unwrap();
    let text = [ended.stdout, ended.stderr].concat();
    (
        ended.status.code().unwrap(),
        String::from_utf8_lossy(&text).into_owned(),
    )
}

/// A captured host whose GRUB has a deprecated parameter on the command line.
fn captured(name: &str) -> tempfile::TempDir {
    let host = tempfile::tempdir().unwrap();
    let from = Path::new("tests/fixtures/hosts").join(name);
    let copied = std::process::Command::new("cp")
        .arg("-a")
        .arg(from.join("."))
        .arg(host.path())
        .status();
    assert!(copied.unwrap().success());
    put(&host.path().join("root"), "/etc/default/grub", GRUB);
    host
}

#[test]
fn doctor_fixes_the_memory_pool_and_takes_it_back() {
    let home = tempfile::tempdir().unwrap();
    let host = captured("strix-halo-128-untuned-badfw");
    let root = host.path().to_str().unwrap();
    let grub = || get(&host.path().join("root"), "/etc/default/grub");
    let fix = ["doctor", "--root", root, "--fix", "amd.mem.gtt_default"];
    let with = |more: &[&str]| halolab(home.path(), &[&fix[..], more].concat());

    let (code, text) = with(&[]);
    assert_eq!((code, grub().as_str()), (2, GRUB), "{text}");
    assert!(text.contains("--yes"), "{text}");
    let (code, text) = with(&["--dry-run"]);
    assert_eq!((code, grub().as_str()), (0, GRUB), "{text}");
    assert!(
        text.contains("splash ttm.pages_limit=25165824") && text.contains("up to 96 GiB"),
        "{text}"
    );
    let (code, text) = with(&["--gib", "127", "--yes"]);
    assert_eq!((code, grub().as_str()), (2, GRUB), "{text}");
    assert!(text.contains("1 to 121 of the 125 GiB"), "{text}");
    assert_eq!(with(&["--gib", "0", "--yes"]).0, 2);
    let (code, text) = with(&["--gib", "110", "--yes"]);
    assert_eq!(code, 6, "{text}");
    assert!(
        grub().contains("\"quiet splash ttm.pages_limit=28835840 ttm.page_pool_size=28835840\" # mine"),
        "{}",
        grub()
    );

    let undo = ["doctor", "--root", root, "--undo"];
    let (code, text) = halolab(home.path(), &undo);
    assert_eq!(code, 2, "{text}");
    let (code, text) = halolab(home.path(), &[&undo[..], &["--yes"]].concat());
    assert_eq!((code, grub().as_str()), (6, GRUB), "{text}");
    let (code, text) = halolab(home.path(), &[&undo[..], &["--yes"]].concat());
    assert!(code == 2 && text.contains("there are: none"), "{text}");
}
