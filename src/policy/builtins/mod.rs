//! Functions that judge an operation by what it does, not by how it is spelled.
