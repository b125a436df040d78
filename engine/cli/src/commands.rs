//! The commands.

mod cache;
mod check;
mod doctor;
mod draw;
mod explain;
mod keys;
mod new;
mod plugin;
mod preview;
mod run;
mod runs;
mod serve;
mod test;

use clap::CommandFactory;

use crate::{
    app,
    args::{Arguments, Command},
    report::{Status, Stop},
};

/// Does what was asked for.
pub(crate) fn dispatch(arguments: Arguments) -> Result<Status, Stop> {
    let home = || app::home(arguments.home.clone());
    match arguments.command {
        Command::New { name } => new::new(&name),
        Command::Run(run) => run::run(run, &home()?),
        Command::Validate {
            pipeline,
            deny_warnings,
            format,
        } => check::validate(&pipeline, deny_warnings, format, &home()?),
        Command::Test { pipeline, case } => test::test(&pipeline, case.as_deref(), &home()?),
        Command::Preview(preview) => preview::preview(&preview, &home()?),
        Command::Graph { pipeline, format } => check::graph(&pipeline, format, &home()?),
        Command::Stages { name, reference } => check::stages(name.as_deref(), reference, &home()?),
        Command::Schema { openapi } => check::schema(openapi),
        Command::Plugin(command) => plugin::plugin(command, &home()?),
        Command::Runs(command) => runs::runs(command, &home()?),
        Command::DrawFirstPage { file } => draw::first_page(&file),
        Command::Serve(arguments) => serve::serve(&arguments, &home()?),
        Command::Keys(command) => keys::keys(&command, &home()?),
        Command::Cache(command) => cache::cache(&command, &home()?),
        Command::Explain { code } => explain::explain(code.as_deref()),
        Command::Doctor => doctor::doctor(&home()?),
        Command::Completions { shell } => {
            let mut grammar = Arguments::command();
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut grammar, "docgenie-engine", &mut text);
            crate::report::data(&String::from_utf8_lossy(&text));
            Ok(Status::Done)
        }
    }
}
