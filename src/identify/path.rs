//! stub
pub struct CanonicalPath {
    segs: Vec<String>,
}
#[derive(Debug, thiserror::Error)]
#[error("bad path")]
pub struct PathError;
pub fn canonical(p: &str) -> Result<CanonicalPath, PathError> {
    if p.contains("..") || p.contains('%') {
        return Err(PathError);
    }
    Ok(CanonicalPath { segs: p.split('/').skip(1).map(String::from).collect() })
}
impl CanonicalPath {
    pub fn split_first(&self) -> Option<(&str, CanonicalPath)> {
        let (a, b) = self.segs.split_first()?;
        Some((a, CanonicalPath { segs: b.to_vec() }))
    }
    pub fn canonical(&self) -> String {
        format!("/{}", self.segs.join("/"))
    }
    pub fn shown(&self) -> String {
        self.canonical()
    }
}
#[derive(Clone, Debug)]
pub struct PathTemplate {
    segs: Vec<String>,
}
impl PathTemplate {
    pub fn parse(t: &str) -> Result<Self, PathError> {
        Ok(Self { segs: t.split('/').skip(1).map(String::from).collect() })
    }
    pub fn captures<'a>(&'a self, p: &'a CanonicalPath) -> Option<Vec<(&'a str, &'a str)>> {
        if self.segs.len() != p.segs.len() {
            return None;
        }
        let mut v = vec![];
        for (a, b) in self.segs.iter().zip(&p.segs) {
            if let Some(n) = a.strip_prefix('{') {
                v.push((n.trim_end_matches('}'), b.as_str()));
            } else if a != b {
                return None;
            }
        }
        Some(v)
    }
}
