//! Measures a command: how long it took, how much of the processor, how much memory at most.

use std::ffi::OsString;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;

/// What a command took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cost {
    pub wall: Duration,
    pub processor: Duration,
    /// In bytes.
    pub memory: u64,
}

/// Runs a command in a process of its own that measures it, since what the system tells of children is the sum of all.
pub fn measure(command: &Command) -> Cost {
    let mut runner = Command::new(std::env::current_exe().unwrap());
    runner.arg("measure").arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        runner.env(name, value.unwrap_or_default());
    }
    let output = runner.stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success(), "{command:?} failed");
    let text = String::from_utf8(output.stdout).unwrap();
    let mut numbers = text.split_whitespace().map(|number| number.parse::<u64>().unwrap());
    let mut next = || numbers.next().unwrap();
    Cost { wall: Duration::from_micros(next()), processor: Duration::from_micros(next()), memory: next() }
}

/// The process that measures. Prints microseconds, microseconds, bytes.
pub fn main(mut arguments: impl Iterator<Item = OsString>) -> i32 {
    let mut command = Command::new(arguments.next().unwrap());
    let began = Instant::now();
    let output = command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).output().unwrap();
    let wall = began.elapsed();
    if !output.status.success() {
        eprintln!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        return 1;
    }
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
    let processor = (usage.user_time() + usage.system_time()).num_microseconds();
    // Linux tells kilobytes, macOS bytes.
    let unit = if cfg!(target_os = "macos") { 1 } else { 1024 };
    println!("{} {} {}", wall.as_micros(), processor, usage.max_rss() * unit);
    0
}
