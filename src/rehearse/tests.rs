//! Policy tests about policy tests: what passes, what fails, and what is said of it.


