//! The nouns: what a call, its caller, its run, its verdict and its outcome are.
