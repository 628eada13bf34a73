//! `toolgate schema`: JSON Schemas of the files, for editors.

use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{Schema, SchemaGenerator};
use serde_json::Value;

use crate::config::prices::PriceFile;
use crate::config::raw::Config;
use crate::config::rubric::RubricFile;
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
    /// A file of prices
    Prices,
    /// A rubric that runs are judged by
    Rubric,
}

/// The schema (JSON Schema, draft 2020-12) as indented JSON, with a line break at its end.
pub fn run(kind: SchemaKind) -> String {
    let settings = SchemaSettings::draft2020_12().with_transform(RecursiveTransform(without_null));
    let generator = SchemaGenerator::new(settings);
    let (mut schema, title) = match kind {
        SchemaKind::Config => (generator.into_root_schema_for::<Config>(), "Toolgate config"),
        SchemaKind::Policy => (generator.into_root_schema_for::<RawPolicy>(), "Toolgate policy"),
        SchemaKind::Test => {
            (generator.into_root_schema_for::<RawPolicyTest>(), "Toolgate policy test")
        }
        SchemaKind::Prices => (generator.into_root_schema_for::<PriceFile>(), "Toolgate prices"),
        SchemaKind::Rubric => (generator.into_root_schema_for::<RubricFile>(), "Toolgate rubric"),
    };
    schema.insert("title".to_owned(), title.into());
    format!("{:#}\n", schema.as_value())
}

/// A key may be absent; one that is there has a value. Types alone say `null` for both.
fn without_null(schema: &mut Schema) {
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            schema.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(choices)) = schema.get_mut("anyOf") {
        choices.retain(|choice| choice.get("type").is_none_or(|name| name != "null"));
        if let [Value::Object(only)] = choices.as_slice() {
            let only = only.clone();
            schema.remove("anyOf");
            only.into_iter().for_each(|(key, value)| {
                schema.insert(key, value);
            });
        }
    }
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
            (SchemaKind::Rubric, "scale"),
        ] {
            let schema: Value = serde_json::from_str(&run(kind)).unwrap();
            assert!(schema["properties"][key].is_object(), "{kind:?}: {schema:#}");
            assert!(schema["required"].to_string().contains("apiVersion"), "{kind:?}");
            assert_eq!(schema["additionalProperties"], false, "{kind:?}");
        }
    }

    #[test]
    fn the_config_schema_describes_its_keys() {
        let schema: Value = serde_json::from_str(&run(SchemaKind::Config)).unwrap();
        let listen = schema["properties"]["listen"]["description"].as_str().unwrap();
        assert!(listen.contains("127.0.0.1:4100"), "{listen}");
        assert_eq!(schema["properties"]["listen"]["type"], "string", "a key has a value");
        assert_eq!(schema["properties"]["bounds"]["$ref"], "#/$defs/Bounds");
        let tool = &schema["$defs"]["Tool"];
        assert_eq!(tool["required"], serde_json::json!(["name"]));
        assert_eq!(tool["additionalProperties"], false);
    }
}
