//! Contact with what is not trusted: [`api_client`] calls HTTP interfaces, [`archive`] reads ZIP
//! archives from elsewhere within limits, [`child`] starts programs and sees to it that none
//! outlives the engine, [`fetch`] gets what an address of the net leads to, [`picture`] and [`svg`]
//! make pixels of pictures by strangers, [`pdf`] keeps PDFs away that would fill the memory.
//! [`restart`] starts the engine itself once more. `collector`, with the feature `opentelemetry`, is
//! the way to a collector of spans.

pub mod api_client;
pub mod archive;
pub mod child;
#[cfg(feature = "opentelemetry")]
pub mod collector;
pub mod fetch;
pub mod pdf;
pub mod picture;
pub mod restart;
pub mod svg;
