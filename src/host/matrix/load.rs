//! Reading, checking and merging files of the matrix.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use super::{Matrix, Row, version::is_dotted};
use crate::document::{Document, Place, Problem, read_text};

/// The only form there is.
const SCHEMA: u64 = 1;

/// No folder has more files than are read of it.
const FILES: usize = 100;

/// Calls a macro with each table: its field and its name in files.
macro_rules! tables {
    ($each:ident) => {
        $each!(amd_gpu "amd-gpu");
        $each!(amd_gfx "amd-gfx");
        $each!(amd_ip "amd-ip");
        $each!(npu "npu");
        $each!(kernel_fix "kernel-fix");
        $each!(firmware "firmware");
        $each!(firmware_package "firmware-package");
        $each!(rocm "rocm");
        $each!(memory "memory");
        $each!(carve_out "carve-out");
        $each!(cpu "cpu");
        $each!(cuda "cuda");
        $each!(cuda_compat "cuda-compat");
        $each!(driver_branch "driver-branch");
        $each!(image_gate "image-gate");
        $each!(build "build");
        $each!(wheel "wheel");
        $each!(nvidia_arch "nvidia-arch");
        $each!(tegra "tegra");
        $each!(display "display");
    };
}

impl Matrix {
    /// Takes the rows of a later file: one with a known key replaces, another one is added.
    pub fn merge(&mut self, later: Self) {
        let later_rows = later;
        macro_rules! take {
            ($field:ident $name:literal) => {
                replace(&mut self.$field, later_rows.$field);
            };
        }
        tables!(take);
        self.schema = SCHEMA;
    }

    /// The date of the newest row; empty where there is none.
    pub fn newest(&self) -> String {
        let mut newest = "";
        macro_rules! look {
            ($field:ident $name:literal) => {
                for row in &self.$field {
                    newest = newest.max(row.date());
                }
            };
        }
        tables!(look);
        newest.to_owned()
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        let mut count = 0;
        macro_rules! add {
            ($field:ident $name:literal) => {
                count += self.$field.len();
            };
        }
        tables!(add);
        count
    }
}

fn replace<T: Row>(rows: &mut Vec<T>, later: Vec<T>) {
    for row in later {
        match rows.iter_mut().find(|old| old.key() == row.key()) {
            Some(old) => *old = row,
            None => rows.push(row),
        }
    }
}

/// Reads one file; `name` is how messages name it.
///
/// # Errors
/// Its first mistake, with its place.
pub fn check(name: &str, text: &str) -> Result<Matrix, Box<Problem>> {
    let document = Document::parse(name, text)?;
    let matrix: Matrix = document.read()?;
    if matrix.schema != SCHEMA {
        let place = Place::default().key("schema");
        let problem = document.problem(&place, format!("this halolab reads schema {SCHEMA}"));
        return Err(Box::new(
            problem.hint(format!("begin the file with `schema = {SCHEMA}`")),
        ));
    }
    macro_rules! look {
        ($field:ident $name:literal) => {
            check_table(&document, $name, &matrix.$field)?;
        };
    }
    tables!(look);
    Ok(matrix)
}

fn check_table<T: Row>(document: &Document<'_>, name: &str, rows: &[T]) -> Result<(), Box<Problem>> {
    let mut keys = BTreeSet::new();
    for (index, row) in rows.iter().enumerate() {
        let place = Place::default().key(name).index(index);
        let refuse =
            |column: &str, message: String| Err(Box::new(document.problem(&place.key(column), message)));
        if row.date().parse::<jiff::civil::Date>().is_err() || row.date().len() != 10 {
            return refuse(
                "date",
                format!("`{}` is not a date: write YYYY-MM-DD", row.date()),
            );
        }
        if row.source().trim().is_empty() {
            return refuse("source", "the source is empty: say who says so".to_owned());
        }
        for (column, text) in row.versions() {
            if !is_dotted(text) {
                return refuse(
                    column,
                    format!("`{text}` is not a version: write numbers with dots between them"),
                );
            }
        }
        for (column, text) in row.identifiers() {
            if !is_identifier(text) {
                return refuse(
                    column,
                    format!("`{text}` is not a PCI identifier: write it as `1002:1586`"),
                );
            }
        }
        if !keys.insert(row.key()) {
            let problem = document.problem(&place, format!("`{}` is in this file twice", row.key()));
            return Err(Box::new(problem));
        }
    }
    Ok(())
}

/// `vvvv:dddd` in lower-case hexadecimal.
fn is_identifier(text: &str) -> bool {
    let half = |text: &str| text.len() == 4 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    text.split_once(':')
        .is_some_and(|(vendor, device)| half(vendor) && half(device))
}

/// What is in the program, with the files of these folders on top: later folders win, files go by name.
/// Answers the mistakes too; a file with one is left out.
pub fn overlay(folders: &[PathBuf]) -> (Matrix, Vec<Problem>) {
    let mut matrix = Matrix::shipped().clone();
    let mut problems = vec![];
    for path in folders.iter().flat_map(|folder| files(folder)) {
        let name = path.display().to_string();
        match read_text(&path).and_then(|text| check(&name, &text)) {
            Ok(file) => matrix.merge(file),
            Err(problem) => problems.push(*problem),
        }
    }
    (matrix, problems)
}

/// The files of a folder that are for us, by name.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|end| end == "toml"))
        .take(FILES)
        .collect();
    paths.sort();
    paths
}
