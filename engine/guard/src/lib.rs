//! Contact with what is not trusted: [`api_client`] calls HTTP interfaces, [`archive`] reads ZIP
//! archives from elsewhere within limits, [`child`] starts programs and sees to it that none
//! outlives the engine, [`svg`] draws pictures that strangers have written. [`restart`] starts the
//! engine itself once more.

pub mod api_client;
pub mod archive;
pub mod child;
pub mod restart;
pub mod svg;
