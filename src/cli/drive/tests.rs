//! Recordings are read exactly, fates judged strictly, events compared.
