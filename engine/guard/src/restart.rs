//! Restarting this very program.

use std::{env, io, os::unix::process::CommandExt};

/// Makes sure that the program runs with this variable in its environment, for libraries that read
/// the environment when they are loaded. Where it is not set, the program replaces itself by itself
/// and this call does not return; a value that a person has set stays.
///
/// # Errors
/// When the program cannot be started again.
pub fn with_environment((name, value): (&str, &str)) -> io::Result<()> {
    if env::var_os(name).is_some() {
        return Ok(());
    }
    let mut arguments = env::args_os();
    let shown = arguments.next().unwrap_or_default();
    #[allow(
        clippy::disallowed_methods,
        reason = "no child: it replaces this process"
    )]
    let mut command = std::process::Command::new(env::current_exe()?);
    Err(command.arg0(shown).args(arguments).env(name, value).exec())
}
