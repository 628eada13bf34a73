//! `toolgate schema`: JSON Schemas of the files, for editors.

use schemars::{Schema, SchemaGenerator, generate::SchemaSettings};

use crate::config::raw::Config;
use crate::policy::raw::RawPolicy;
use crate::rehearse::raw::RawPolicyTest;

/// Which file a schema is of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum SchemaKind {
    /// `toolgate.yaml`
    #[default]
    Config,
    /// A policy
    Policy,
    /// A policy test
    Test,
}

/// The schema (JSON Schema, draft 2020-12) as indented JSON, with a line break at its end.
pub fn run(kind: SchemaKind) -> String {
    let generator = SchemaGenerator::new(SchemaSettings::draft2020_12());
    let (schema, title): (Schema, &str) = match kind {
        SchemaKind::Config => (generator.into_root_schema_for::<Config>(), "Toolgate config"),
        SchemaKind::Policy => (generator.into_root_schema_for::<RawPolicy>(), "Toolgate policy"),
        SchemaKind::Test => {
            (generator.into_root_schema_for::<RawPolicyTest>(), "Toolgate policy test")
        }
    };
    let mut schema = schema;
    schema.insert("title".to_owned(), title.into());
    format!("{:#}\n", schema.as_value())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_names_its_keys_and_refuses_others() {
        for (kind, key) in [
            (SchemaKind::Config, "upstreams"),
            (SchemaKind::Policy, "rules"),
            (SchemaKind::Test, "tests"),
        ] {
            let schema: serde_json::Value = serde_json::from_str(&run(kind)).unwrap();
            assert!(schema["properties"][key].is_object(), "{kind:?}: {schema:#}");
            assert!(schema["required"].to_string().contains("apiVersion"), "{kind:?}");
            assert_eq!(schema["additionalProperties"], false, "{kind:?}");
        }
    }

    #[test]
    fn the_config_schema_describes_its_keys() {
        let schema: serde_json::Value = serde_json::from_str(&run(SchemaKind::Config)).unwrap();
        let listen = schema["properties"]["listen"]["description"].as_str().unwrap();
        assert!(listen.contains("127.0.0.1:4100"), "{listen}");
        let tool = &schema["$defs"]["Tool"];
        assert_eq!(tool["required"], serde_json::json!(["name", "match"]));
        assert_eq!(tool["additionalProperties"], false);
    }
}
