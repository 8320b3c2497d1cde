//! `show schema json`: what `show info json` and `show stat json` look like.

use haproxy_cfg_grammar::Dialect;
use serde_json::json;

use crate::admin::command::{Answer, Command};
use crate::plan::AccessLevel;

/// Shows the schema.
pub(crate) const SHOW_SCHEMA: Command = Command {
    words: "show schema json",
    since: Dialect::V1_8,
    level: AccessLevel::User,
    arguments: "",
    help: "the JSON schema of 'show info json' and 'show stat json'",
    run: |_, _| Answer::Text(schema()),
};

fn schema() -> String {
    let field = json!({
        "type": "object",
        "properties": {"pos": {"type": "integer"}, "name": {"type": "string"}},
        "required": ["pos", "name"],
    });
    let word = |words: &[&str]| json!({"type": "string", "enum": words});
    let tags = json!({
        "type": "object",
        "properties": {
            "origin": word(&["Metric", "Status", "Key", "Config", "Product", "Unknown"]),
            "nature": word(&[
                "Gauge", "Limit", "Min", "Max", "Rate", "Counter", "Duration", "Age", "Time",
                "Name", "Output", "Avg", "Unknown",
            ]),
            "scope": word(&["Cluster", "Process", "Service", "System", "Unknown"]),
        },
        "required": ["origin", "nature", "scope"],
    });
    let value = json!({
        "type": "object",
        "properties": {
            "type": word(&["s32", "s64", "u32", "u64", "str"]),
            "value": {"type": ["integer", "string"]},
        },
        "required": ["type", "value"],
    });
    let common = |more: serde_json::Value| {
        let mut properties = json!({
            "field": {"$ref": "#/definitions/field"},
            "processNum": {"type": "integer", "minimum": 1},
            "tags": {"$ref": "#/definitions/tags"},
            "value": {"$ref": "#/definitions/typedValue"},
        });
        let mut required = vec!["field", "processNum", "tags", "value"];
        if let (Some(properties), Some(more)) = (properties.as_object_mut(), more.as_object()) {
            properties.extend(more.clone());
            required.extend(
                ["objType", "proxyId", "id"]
                    .iter()
                    .filter(|n| more.contains_key(**n)),
            );
        }
        json!({"type": "object", "properties": properties, "required": required})
    };
    let row = json!({
        "objType": word(&["Frontend", "Backend", "Listener", "Server"]),
        "proxyId": {"type": "integer", "minimum": 0},
        "id": {"type": "integer", "minimum": 0},
    });
    json!({
        "$schema": "http://json-schema.org/draft-04/schema#",
        "oneOf": [
            {"title": "Info", "type": "array", "items": common(json!({}))},
            {
                "title": "Stat",
                "type": "array",
                "items": {"type": "array", "items": common(row)},
            },
        ],
        "definitions": {"field": field, "tags": tags, "typedValue": value},
    })
    .to_string()
}
