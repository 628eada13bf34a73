//! stub
pub struct Query {
    pairs: Vec<(String, String)>,
}
#[derive(Debug, thiserror::Error)]
#[error("bad")]
pub struct QueryError;
impl QueryError {
    pub fn is_repeated(&self) -> bool {
        false
    }
}
pub fn parse(text: &str) -> Result<Query, QueryError> {
    Ok(Query { pairs: url::form_urlencoded::parse(text.as_bytes()).into_owned().collect() })
}
impl Query {
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|(a, b)| (a.as_str(), b.as_str()))
    }
    pub fn canonical(&self) -> Option<String> {
        if self.pairs.is_empty() {
            None
        } else {
            Some(
                url::form_urlencoded::Serializer::new(String::new())
                    .extend_pairs(&self.pairs)
                    .finish(),
            )
        }
    }
}
