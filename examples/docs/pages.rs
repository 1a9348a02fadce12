//! The pages: those of section 1 and the completions from the definition of the command line, the others from the texts beside this file,
//! with what the code knows better filled in.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;

use clap_complete::Shell;
use clap_mangen::Man;
use pimsync::cli::{self, ExitCode, Sysexit};
use pimsync::sync::Step;

/// The folders that hold nothing else.
pub(crate) const FOLDERS: [&str; 2] = ["man", "completions"];

/// All files, by their paths.
pub(crate) fn generate() -> io::Result<BTreeMap<String, Vec<u8>>> {
    let mut files = BTreeMap::new();
    let mut command = cli::command().disable_help_subcommand(true);
    command.build();
    command_pages(&command, &mut files)?;
    for (name, text) in [
        ("pimsync-identity.5", include_str!("pimsync-identity.5")),
        ("pimsync-archive.5", include_str!("pimsync-archive.5")),
        ("pimsync-json.5", include_str!("pimsync-json.5")),
        ("pimsync-design.7", include_str!("pimsync-design.7")),
    ] {
        files.insert(format!("man/{name}"), fill(text).into_bytes());
    }
    for (shell, name) in [(Shell::Bash, "pimsync.bash"), (Shell::Zsh, "_pimsync"), (Shell::Fish, "pimsync.fish")] {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut cli::command(), "pimsync", &mut script);
        files.insert(format!("completions/{name}"), script);
    }
    Ok(files)
}

/// A page for the program and one for each subcommand that is not hidden.
fn command_pages(command: &clap::Command, files: &mut BTreeMap<String, Vec<u8>>) -> io::Result<()> {
    let shown: Vec<_> = command.get_subcommands().filter(|command| !command.is_hide_set()).collect();
    for subcommand in &shown {
        command_pages(subcommand, files)?;
    }
    let man = Man::new(command.clone()).source(version()).manual("pimsync");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if !shown.is_empty() {
        man.render_subcommands_section(&mut page)?;
    }
    let mut end = String::from(include_str!("end-of-pages.1"));
    let own = command.get_display_name().unwrap_or("pimsync").to_owned();
    let mut others: Vec<String> = cli_pages().into_iter().filter(|name| *name != format!("{own}.1")).collect();
    others.extend(["pimsync-archive.5", "pimsync-identity.5", "pimsync-json.5", "pimsync-design.7"].map(str::to_owned));
    end.push_str(&see_also(&others));
    let end = if own == "pimsync-send" { end.replace("@EXIT_CODES@\n", &mail_exit_codes()) } else { end };
    page.extend(fill(&end).into_bytes());
    files.insert(format!("man/{own}.1"), page);
    Ok(())
}

/// The names of the pages of section 1.
fn cli_pages() -> Vec<String> {
    let command = cli::command();
    let subcommands = command.get_subcommands().filter(|command| !command.is_hide_set());
    let names = subcommands.map(|command| format!("pimsync-{}.1", command.get_name()));
    std::iter::once("pimsync.1".to_owned()).chain(names).collect()
}

fn see_also(pages: &[String]) -> String {
    let entries: Vec<String> = pages
        .iter()
        .filter_map(|page| page.rsplit_once('.'))
        .map(|(name, section)| format!(".BR {} ({section})", escape(name)))
        .collect();
    format!(".SH \"SEE ALSO\"\n{}\n", entries.join(" ,\n"))
}

fn version() -> String {
    concat!("pimsync ", env!("CARGO_PKG_VERSION")).to_owned()
}

fn fill(text: &str) -> String {
    text.replace("@VERSION@", &version())
        .replace("@EXIT_CODES@\n", &exit_codes())
        .replace("@CRASH_WINDOWS@\n", &crash_windows())
}

fn exit_codes() -> String {
    ExitCode::ALL.iter().fold(String::new(), |mut text, code| {
        let _ = write!(text, ".TP\n.B {}\n{}\n", code.number(), escape(code.meaning()));
        text
    })
}

/// Those of `send`.
fn mail_exit_codes() -> String {
    Sysexit::ALL.iter().fold(String::new(), |mut text, code| {
        let _ = write!(text, ".TP\n.B {}\n{}\n", code.number(), escape(code.meaning()));
        text
    })
}

fn crash_windows() -> String {
    Step::ALL.iter().fold(String::new(), |mut text, step| {
        let window = step.crash_window();
        let _ =
            write!(text, ".TP\n.B {step:?}\n{}\n.br\n.I Next run:\n{}\n", escape(window.left), escape(window.settled));
        text
    })
}

/// Text as roff takes it.
fn escape(text: &str) -> String {
    text.replace('\\', "\\e").replace('-', "\\-")
}
