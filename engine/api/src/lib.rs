//! The HTTP service: routes over the queue of runs, and the wire protocols of the services that
//! pipelines replace.
//!
//! `routes::table` is the one list of routes: the router, the OpenAPI document and the checks of
//! access are made of it. A handler turns a request into a run of a pipeline with parameters and a
//! run into a response; what is done in between is the pipeline's.

mod access;
mod analytics;
mod body;
mod directory;
mod docgenie;
mod error;
mod events;
mod integrations;
mod openapi;
mod pages;
mod pipelines;
mod results;
mod routes;
mod runs;
mod server;
mod service;
mod vault;

pub use self::{
    access::{ApiKey, KeyError, Keys, Scope},
    openapi::document as openapi,
    server::{ServeError, serve},
    service::{Config, Description, Pipelines, Refusal, Service, Summary},
    vault::{SECRET_KEY, Vault, VaultError},
};
