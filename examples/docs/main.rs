//! Writes the manual pages and shell completions: `cargo run --example docs`. `tests/generated.rs` fails when they are stale.

mod pages;

use std::fs;
use std::path::Path;

fn main() -> std::io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for folder in pages::FOLDERS {
        // A page that is generated no more must not stay behind.
        let _ = fs::remove_dir_all(root.join(folder));
        fs::create_dir_all(root.join(folder))?;
    }
    for (path, content) in pages::generate()? {
        fs::write(root.join(&path), content)?;
        println!("{path}");
    }
    Ok(())
}
