//! Signoffs: an artifact that says that conditions were true.

use super::{Millis, Require};
use serde::{Deserialize, Serialize};

/// `signoff n { … }`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Signoff {
    /// Its name.
    pub name: String,
    /// The file that holds it.
    pub artifact: String,
    /// What must be true when it is made.
    pub requires: Vec<Require>,
    /// The group whose people may make it; `None`: anybody.
    pub by: Option<String>,
    /// How long it is good for; `None`: for ever.
    pub expires: Option<Millis>,
}
