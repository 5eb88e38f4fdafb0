//! hearth-examples
