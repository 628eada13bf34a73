//! What is rejected when policies are loaded, and what it becomes when it is not.


