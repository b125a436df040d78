//! Contact with what is not trusted, which today is children: [`child`] starts programs and sees to
//! it that none outlives the engine. [`restart`] starts the engine itself once more.

pub mod child;
pub mod restart;
