//! Proofs that something may be deleted. Only the plan can make them, and only from an absence that was seen in full.

/// Lets one message be deleted. It cannot be made outside the plan, and is used up by the deletion.
#[derive(Debug, PartialEq, Eq)]
pub struct MessageRemoval(());

/// Lets one folder be deleted with all below it.
#[derive(Debug, PartialEq, Eq)]
pub struct FolderRemoval(());

impl MessageRemoval {
    /// For tests of what takes a proof.
    #[cfg(test)]
    pub(crate) fn for_tests() -> Self {
        Self(())
    }

    /// For the plan's rules only.
    pub(super) fn proven() -> Self {
        Self(())
    }
}

impl FolderRemoval {
    /// For tests of what takes a proof.
    #[cfg(test)]
    pub(crate) fn for_tests() -> Self {
        Self(())
    }

    /// For the plan's rules only.
    pub(super) fn proven() -> Self {
        Self(())
    }
}
