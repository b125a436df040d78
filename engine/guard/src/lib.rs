//! All contact with what is not trusted: children, network, hostile files.
