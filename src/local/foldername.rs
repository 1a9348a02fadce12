//! Folder names as directory names and back. Exchange allows any text of up to 255 characters as a name; file systems do not.

/// A directory name for a folder's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirName {
    /// The name of the directory.
    pub name: String,
    /// Whether [`decode`] gives the folder's name back; where not, the folder's file `displayname` has to.
    pub reversible: bool,
}

/// The directory name for a folder's name, different from all siblings' for which `taken` is asked (by [`twin_key`]).
pub fn encode(_name: &str, _taken: &dyn Fn(&str) -> bool) -> DirName {
    todo!()
}

/// The folder's name that a directory's name stands for. Total: what no encoding of ours made stands for itself.
pub fn decode(_dir_name: &str) -> String {
    todo!()
}

/// Equal for directory names that some file system takes for the same: names that differ in case or in Unicode form only.
pub fn twin_key(_dir_name: &str) -> String {
    todo!()
}

/// Whether `displayname` in the directory holds the folder's name, since the directory's name is a shortened one.
pub fn is_shortened(_dir_name: &str) -> bool {
    todo!()
}
