//! The `pimsync` command.

fn main() -> std::process::ExitCode {
    pimsync::cli::run().into()
}
