//! Facts and what they mean in one document: what `halolab detect --json` prints, schema 1.

use std::{path::Path, sync::Arc};

use serde::Serialize;

use super::{
    Root,
    detect::{self, Machine, nvml},
    findings::{self, Judgement},
    matrix::Matrix,
};

/// The form of the document.
const SCHEMA: u64 = 1;

/// A machine, judged.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The form of the document: 1.
    pub schema: u64,
    /// What the machine is made of.
    #[serde(flatten)]
    pub machine: Machine,
    /// What that means.
    #[serde(flatten)]
    pub judgement: Judgement,
    /// Date of the newest row of the matrix that judged.
    pub matrix: String,
}

impl Report {
    /// Looks at a machine, with NVML where there is an NVIDIA card, and judges it.
    pub async fn of(root: &Path, matrix: &Matrix) -> Self {
        Self::with(root, matrix, Arc::new(nvml::Library)).await
    }

    /// The same, with the engine that is spoken to in the place of the usual one: by its socket or address, empty where
    /// none is known. Only of this machine.
    #[must_use]
    pub fn speaking_to(mut self, address: &str) -> Self {
        self.machine.speaks_to(address);
        self
    }

    /// The same, with someone else to tell of NVIDIA's cards.
    pub async fn with(root: &Path, matrix: &Matrix, management: Arc<dyn nvml::Management>) -> Self {
        let root = Root::new(root);
        let outside = detect::outside(&root, management).await;
        let machine = detect::look(&root, matrix, &outside);
        let judgement = findings::judge(&machine, matrix);
        Self {
            schema: SCHEMA,
            machine,
            judgement,
            matrix: matrix.newest(),
        }
    }
}
