//! Each form of a report, as the tools that read it want it.


