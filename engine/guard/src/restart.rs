//! Restarting this very program.

use std::{env, io, os::unix::process::CommandExt};

/// Makes sure that the program runs with these variables in its environment, for libraries that read
/// the environment when they are loaded. Where one is not set, the program replaces itself by itself
/// and this call does not return; values that a person has set stay.
///
/// # Errors
/// When the program cannot be started again.
pub fn with_environment(variables: &[(&str, &str)]) -> io::Result<()> {
    let missing = variables
        .iter()
        .filter(|(name, _)| env::var_os(name).is_none());
    let missing: Vec<_> = missing.copied().collect();
    if missing.is_empty() {
        return Ok(());
    }
    let mut arguments = env::args_os();
    let shown = arguments.next().unwrap_or_default();
    #[allow(
        clippy::disallowed_methods,
        reason = "no child: it replaces this process"
    )]
    let mut command = std::process::Command::new(env::current_exe()?);
    Err(command.arg0(shown).args(arguments).envs(missing).exec())
}
