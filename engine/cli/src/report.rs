//! What people read: data on standard output, talk on standard error, and the exit status.

use std::{
    error::Error,
    io::{self, IsTerminal, Write},
    process::ExitCode,
};

use docgenie_document::{
    Code,
    code::{Problem, chain},
};
use docgenie_pipeline::{Diagnostic, Level};
use docgenie_runtime::stage::StageFailure;

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// All done.
    Done = 0,
    /// Some documents failed.
    SomeFailed = 1,
    /// What was typed or written makes no sense.
    BadInput = 2,
    /// The machine lacks something.
    Environment = 3,
    /// A person ended it.
    Interrupted = 130,
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        Self::from(status as u8)
    }
}

/// Why a command stops early.
#[derive(Debug)]
pub(crate) enum Stop {
    /// Faults of a pipeline file or of `--set`.
    Faults(Vec<Diagnostic>),
    /// Anything else.
    Problem(Status, Box<Problem>),
}

impl Stop {
    pub(crate) fn new(status: Status, code: Code, message: impl Into<String>) -> Self {
        Self::Problem(status, Box::new(Problem::new(code, message)))
    }

    pub(crate) fn because(self, cause: &(dyn Error + 'static)) -> Self {
        self.because_of(Some(cause))
    }

    /// As [`Self::because`], where there may be no cause.
    pub(crate) fn because_of(mut self, cause: Option<&(dyn Error + 'static)>) -> Self {
        if let Self::Problem(_, problem) = &mut self {
            problem.causes.extend(chain(cause));
        }
        self
    }

    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        self.hint_if(Some(hint))
    }

    /// As [`Self::hint`], where there may be no cure.
    pub(crate) fn hint_if(mut self, hint: Option<impl Into<String>>) -> Self {
        if let Self::Problem(_, problem) = &mut self {
            problem.hint = hint.map(Into::into);
        }
        self
    }

    pub(crate) fn of(status: Status, failure: StageFailure) -> Self {
        Self::Problem(status, failure.problem)
    }

    /// Tells it and gives the exit status.
    pub(crate) fn report(&self) -> Status {
        match self {
            Self::Faults(faults) => {
                diagnostics(faults);
                Status::BadInput
            }
            Self::Problem(status, problem) => {
                talk(&show(problem));
                *status
            }
        }
    }
}

/// Whether talk may have colours: at a terminal, unless <https://no-color.org> is asked for.
pub(crate) fn coloured() -> bool {
    io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|it| it.is_empty())
}

/// Prints diagnostics and how many there were.
pub(crate) fn diagnostics(found: &[Diagnostic]) {
    for diagnostic in found {
        talk(&diagnostic.render(coloured()));
    }
    let faults = found
        .iter()
        .filter(|found| found.level == Level::Error)
        .count();
    match faults {
        0 => {}
        1 => talk("1 fault; `docgenie-engine explain CODE` tells more"),
        n => talk(&format!(
            "{n} faults; `docgenie-engine explain CODE` tells more"
        )),
    }
}

/// A problem as text: what failed, why, what cures it.
pub(crate) fn show(problem: &Problem) -> String {
    let mut text = format!("error[{}]: {}", problem.code, problem.message);
    for cause in &problem.causes {
        text.push_str("\n  caused by: ");
        text.push_str(&cause.replace('\n', "\n    "));
    }
    if let Some(hint) = &problem.hint {
        text.push_str("\n  hint: ");
        text.push_str(hint);
    }
    text
}

/// Writes data to standard output. A reader that has gone away ends the program without a word,
/// but not as if all were done.
pub(crate) fn data(text: &str) {
    let mut out = io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| {
        if text.ends_with('\n') {
            out.flush()
        } else {
            out.write_all(b"\n")
        }
    });
    if written.is_err() {
        std::process::exit(Status::Interrupted as i32);
    }
}

/// Writes a line of talk to standard error; where nobody listens there is nobody to tell.
pub(crate) fn talk(text: &str) {
    let _gone = writeln!(io::stderr(), "{text}");
}

/// A table with columns as wide as they need to be; the first is flush left, the others right.
pub(crate) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        let longest = cells.map(|cell| cell.chars().count()).max().unwrap_or(0);
        longest.max(head.get(column).map_or(0, |cell| cell.chars().count()))
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let mut text = String::new();
        for (column, (cell, width)) in cells.zip(&widths).enumerate() {
            if column == 0 {
                text.push_str(&format!("{cell:<width$}"));
            } else {
                text.push_str(&format!("  {cell:>width$}"));
            }
        }
        text.push('\n');
        text
    };
    let mut text = line(&mut head.iter().copied());
    for row in rows {
        text.push_str(&line(&mut row.iter().map(String::as_str)));
    }
    text
}

/// `1.2 GiB`, `340 MiB`, `12 KiB`, `7 B`.
pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    #[allow(clippy::cast_precision_loss, reason = "it is rounded for display")]
    let mut value = count as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_say_what_why_and_cure() {
        let stop = Stop::new(Status::Environment, Code::new("DG0901"), "no home")
            .because(&io::Error::other("deep"))
            .hint("set HOME");
        let Stop::Problem(_, problem) = stop else {
            panic!("a problem")
        };
        assert_eq!(
            show(&problem),
            "error[DG0901]: no home\n  caused by: deep\n  hint: set HOME"
        );
    }

    #[test]
    fn tables_line_up() {
        let rows = [
            vec!["a".to_owned(), "10".to_owned()],
            vec!["long".to_owned(), "7".to_owned()],
        ];
        assert_eq!(table(&["x", "n"], &rows), "x      n\na     10\nlong   7\n");
    }

    #[test]
    fn sizes_are_round() {
        assert_eq!(bytes(7), "7 B");
        assert_eq!(bytes(1536), "1.5 KiB");
        assert_eq!(bytes(3 << 30), "3.0 GiB");
    }
}
