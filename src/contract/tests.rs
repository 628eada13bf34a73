//! Contracts of tools: what they refuse, and in which words.
