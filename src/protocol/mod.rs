//! The languages agents speak. Each answers the same three questions: what call is this? how did
//! it end? how do I refuse it in its own language?

pub mod http;
pub mod llm;
pub mod sse;
