//! Many labs with many snapshots: what a frame costs is counted, in allocations, and must follow what it shows.

#![expect(unsafe_code, reason = "the allocator that counts")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "common/sample/mod.rs"]
mod sample;

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

use halolab::{
    app::{Model, Msg},
    labs::{SnapshotKind, SnapshotRow, World, marks::Mark, profile_name},
};
use sample::{draw, press, type_text};

thread_local! {
    static MADE: Cell<u64> = const { Cell::new(0) };
}

/// Counts what each thread asks for.
struct Counting;

// SAFETY: all is handed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = MADE.try_with(|made| made.set(made.get() + 1));
        // SAFETY: the caller's promises are the system's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are the system's.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How often memory was asked for.
fn work(of: impl FnOnce()) -> u64 {
    let before = MADE.with(Cell::get);
    of();
    MADE.with(Cell::get) - before
}

fn name(index: usize) -> String {
    format!("before-update-{index:03}")
}

/// So many labs, each with so many snapshots, every second one a marked safety snapshot.
fn many(labs: usize, snapshots: usize) -> World {
    let mut world = sample::world();
    let whole = world.instances.first().unwrap().clone();
    for lab in 0..labs {
        let mut instance = whole.clone();
        instance.name = format!("lab-{lab:03}");
        instance.uuid = format!("uuid-{lab}");
        instance.profiles = vec![profile_name(&instance.name)];
        let mut profile = halolab::backend::Profile {
            name: profile_name(&instance.name),
            ..Default::default()
        };
        for index in (0..snapshots).step_by(2) {
            let mark = Mark {
                kind: SnapshotKind::Safety,
                taken: "2026-11-20T00:00:00Z".into(),
                ..Mark::default()
            };
            let key = halolab::labs::marks::key(&instance.name, &name(index));
            profile.config.insert(key, serde_json::to_string(&mark).unwrap());
        }
        world
            .snapshots
            .insert(instance.name.clone(), (0..snapshots).map(name).collect());
        world.profiles.insert(profile.name.clone(), profile);
        world.instances.push(instance);
    }
    world
}

fn rows(count: usize) -> Vec<SnapshotRow> {
    let row = sample::snapshots().remove(1);
    let named = |index| SnapshotRow {
        name: name(index),
        ..row.clone()
    };
    (0..count).map(named).collect()
}

/// The labs of such a machine, the cursor on one of the many.
fn labs((width, height): (u16, u16), labs: usize, snapshots: usize) -> Model {
    let mut model = sample::labs(width, height);
    model.update(Msg::World(Ok(Box::new(many(labs, snapshots)))));
    press(&mut model, "G");
    model
}

const SIZES: [(u16, u16); 2] = [(80, 24), (200, 60)];

/// A frame of each screen, with what came before it.
fn frame(model: &Model) -> u64 {
    draw(model);
    work(|| {
        draw(model);
    })
}

#[test]
fn a_frame_costs_what_it_shows_and_not_what_there_is() {
    for size in SIZES {
        let (few, all) = (labs(size, 70, 2), labs(size, 200, 200));
        let (small, large) = (frame(&few), frame(&all));
        // Names are looked at for their width; nothing is made of those that are not in view.
        assert!(
            large * 10 <= small * 12,
            "{size:?}, labs: {small} with few, {large} with all"
        );

        let (mut few, mut all) = (few, all);
        press(&mut few, "s");
        press(&mut all, "s");
        few.update(Msg::Snapshots(few.picker.lab.clone(), Ok(rows(70))));
        all.update(Msg::Snapshots(all.picker.lab.clone(), Ok(rows(200))));
        press(&mut few, "down down");
        press(&mut all, "down down");
        let (small, large) = (frame(&few), frame(&all));
        assert!(
            large * 10 <= small * 12,
            "{size:?}, picker: {small} with few, {large} with all"
        );
        let moved = work(|| {
            press(&mut all, "down");
        });
        assert!(moved < 1000, "{size:?}: {moved} for a key");
    }
}

#[test]
fn a_menu_looks_at_its_own_snapshots_only() {
    for size in SIZES {
        // The lab of the menu is the same; the others have few or many snapshots.
        let of = |snapshots: usize| {
            let mut world = many(200, snapshots);
            let own = many(1, 200);
            let lab = "lab-000";
            world.snapshots.insert(lab.into(), own.snapshots[lab].clone());
            world
                .profiles
                .insert(profile_name(lab), own.profiles[&profile_name(lab)].clone());
            let mut model = sample::labs(size.0, size.1);
            model.update(Msg::World(Ok(Box::new(world))));
            let rows = model.labs.rows.iter();
            model.labs.cursor = rows.into_iter().position(|row| row.name == lab).unwrap();
            press(&mut model, "enter");
            model
        };
        let (few, all) = (frame(&of(2)), frame(&of(200)));
        assert_eq!(few, all, "{size:?}");
        assert!(all < 20_000, "{size:?}: {all}");
    }
}

#[test]
fn keys_and_filter_stay_usable_among_many() {
    for size in SIZES {
        let mut model = labs(size, 200, 200);
        assert!(
            draw(&model).contains("lab-199"),
            "the end is in view:\n{}",
            draw(&model)
        );
        press(&mut model, "g");
        assert!(draw(&model).contains("ai-lab"));
        press(&mut model, "G s");
        let lab = model.picker.lab.clone();
        assert_eq!(lab, "lab-199");
        model.update(Msg::Snapshots(lab, Ok(rows(200))));
        press(&mut model, "G");
        assert!(draw(&model).contains(&name(199)));
        press(&mut model, "/");
        type_text(&mut model, "-142");
        let drawn = draw(&model);
        assert!(
            drawn.contains(&name(142)) && !drawn.contains(&name(141)),
            "{drawn}"
        );
        press(&mut model, "enter enter");
        let review = model.review.as_ref().unwrap();
        assert!(draw(&model).contains(&name(142)), "{}", draw(&model));
        assert!(!review.apply, "a restore is agreed to by a key of its own");
    }
}
