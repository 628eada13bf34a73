//! Which files are found, and what is said of paths that lead nowhere.


