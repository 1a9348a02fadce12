//! What several kinds of items have in common.

use serde::{Deserialize, Serialize};

/// Who may see an item (MS-OXWSCDATA `SensitivityChoicesType`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Sensitivity {
    /// Everybody who may see the folder.
    #[default]
    Normal,
    /// A mark for the reader only: the server hides nothing for it.
    Personal,
    /// Nobody but the owner.
    Private,
    /// A mark for the reader, above "personal".
    Confidential,
}

/// How urgent an item is (MS-OXWSCDATA `ImportanceChoicesType`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Importance {
    /// It can wait.
    Low,
    /// As usual.
    #[default]
    Normal,
    /// It cannot wait.
    High,
}
