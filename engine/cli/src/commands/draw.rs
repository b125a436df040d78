//! `draw-first-page`: what the engine asks of a child of its own.

use std::{
    io::{self, Write},
    path::Path,
};

use docgenie_document::Code;

use crate::report::{Status, Stop};

/// The page cannot be handed over.
const NOT_DRAWN: Code = Code::new("DG0920");

pub(super) fn first_page(file: &Path) -> Result<Status, Stop> {
    let drawn = docgenie_stages::author::draw_first_page(file);
    let told = drawn.and_then(|drawn| io::stdout().write_all(&drawn));
    told.map(|()| Status::Done).map_err(|error| {
        Stop::new(Status::Environment, NOT_DRAWN, "the page cannot be drawn").because(&error)
    })
}
