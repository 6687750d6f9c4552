//! Each field of the files for Kubernetes is one that there is, and of its type.

use std::collections::BTreeSet;

use libtest_mimic::Failed;
use serde_json::Value;

use super::Files;
use crate::tools::text;

/// What `make_types.py` has written. Every type is closed.
pub(super) struct Types(Value);

impl Types {
    pub(super) fn load() -> Types {
        Types(serde_json::from_str(include_str!("types.json")).unwrap())
    }

    /// What is wrong with these objects.
    pub(super) fn problems(&self, files: &Files) -> Vec<String> {
        let objects = match files.objects() {
            Ok(objects) => objects,
            Err(problem) => return vec![problem],
        };
        let mut problems = Vec::new();
        for (file, object) in objects {
            let kind = format!("{} {}", text(&object, "/apiVersion"), text(&object, "/kind"));
            match self.0["kinds"].get(&kind) {
                Some(a_type) => self.check(a_type, &object, &format!("{file}: {kind}: "), &mut problems),
                None => problems.push(format!("{file}: unknown kind {kind}")),
            }
        }
        problems
    }

    fn check(&self, a_type: &Value, value: &Value, path: &str, problems: &mut Vec<String>) {
        for (keyword, limit) in a_type.as_object().unwrap() {
            let is_kept = match keyword.as_str() {
                "$ref" => {
                    self.check(&self.0["types"][limit.as_str().unwrap()], value, path, problems);
                    true
                }
                "anyOf" => limit.as_array().unwrap().iter().any(|choice| {
                    let mut problems = Vec::new();
                    self.check(choice, value, path, &mut problems);
                    problems.is_empty()
                }),
                "type" => match limit.as_str().unwrap() {
                    "string" => value.is_string(),
                    "integer" => value.is_i64() || value.is_u64(),
                    "number" => value.is_number(),
                    "boolean" => value.is_boolean(),
                    "array" => value.is_array(),
                    "object" => value.is_object(),
                    other => unreachable!("unknown type {other}"),
                },
                "enum" => limit.as_array().unwrap().contains(value),
                "pattern" => value.as_str().is_none_or(|value| {
                    let pattern = regex_lite::Regex::new(limit.as_str().unwrap()).unwrap();
                    pattern.is_match(value)
                }),
                "minLength" => value.as_str().is_none_or(|value| value.len() as u64 >= limit.as_u64().unwrap()),
                "minItems" => value.as_array().is_none_or(|value| value.len() as u64 >= limit.as_u64().unwrap()),
                "minimum" => value.as_f64().is_none_or(|value| value >= limit.as_f64().unwrap()),
                "maximum" => value.as_f64().is_none_or(|value| value <= limit.as_f64().unwrap()),
                "required" => {
                    for field in limit.as_array().unwrap() {
                        if value.get(field.as_str().unwrap()).is_none() {
                            problems.push(format!("{path}: {field} is missing"));
                        }
                    }
                    true
                }
                "properties" | "additionalProperties" | "items" => true, // below
                other => unreachable!("unknown keyword {other}"),
            };
            if !is_kept {
                problems.push(format!("{path}: {value} is not of {keyword} {limit}"));
            }
        }
        for (index, value) in value.as_array().into_iter().flatten().enumerate() {
            self.check(&a_type["items"], value, &format!("{path}[{index}]"), problems);
        }
        let (fields, others) = (a_type.get("properties"), a_type.get("additionalProperties"));
        if fields.is_some() || others.is_some() {
            for (field, value) in value.as_object().into_iter().flatten() {
                match fields.and_then(|fields| fields.get(field)).or(others) {
                    Some(a_type) => self.check(a_type, value, &format!("{path}.{field}"), problems),
                    None => problems.push(format!("{path}.{field}: unknown field")),
                }
            }
        }
    }
}

pub(super) fn every_field_has_its_type() -> Result<(), Failed> {
    let files = Files::ours()?;
    let problems = Types::load().problems(&files);
    assert!(problems.is_empty(), "{problems:#?}");
    // Nothing is left out of the check, and each kind that there is a type for is here.
    let kinds: BTreeSet<_> = files.objects()?.iter().map(|(_, object)| text(object, "/kind").to_owned()).collect();
    let expected = "Deployment NetworkPolicy PodMonitor Prometheus ScrapeConfig Secret Service ServiceMonitor";
    assert_eq!(kinds.into_iter().collect::<Vec<_>>().join(" "), expected);
    Ok(())
}

pub(super) fn what_is_wrong_has_no_type() -> Result<(), Failed> {
    let (files, types) = (Files::ours()?, Types::load());
    for (file, from, to, complaint) in [
        // What the Operator does not have, and who looks for it writes first.
        (
            "service-monitor.yaml",
            "      path: /metrics",
            "      path: /metrics\n      httpHeaders: {X-Metrics-Key: {files: [a]}}",
            ".spec.endpoints[0].httpHeaders: unknown field",
        ),
        ("service-monitor.yaml", "credentials:", "credentialFile:", ".authorization.credentialFile: unknown field"),
        (
            "others/pod-monitor.yaml",
            "credentials:",
            "credentials_file:",
            ".authorization.credentials_file: unknown field",
        ),
        ("others/pod-monitor.yaml", "podMetricsEndpoints:", "endpoints:", ".spec.endpoints: unknown field"),
        ("others/scrape-config.yaml", "metricsPath:", "path:", ".spec.path: unknown field"),
        (
            "others/scrape-config.yaml",
            "monitoring.coreos.com/v1alpha1",
            "monitoring.coreos.com/v1",
            "unknown kind monitoring.coreos.com/v1 ScrapeConfig",
        ),
        (
            "others/scrape-config.yaml",
            "[\"my-service:8000\"]",
            "my-service:8000",
            ".targets: \"my-service:8000\" is not of type",
        ),
        ("service-monitor.yaml", "followRedirects: false", "followRedirects: \"false\"", "is not of type \"boolean\""),
        ("service-monitor.yaml", "  selector:", "  interval: 30s\n  selector:", ".spec.interval: unknown field"),
        ("service-monitor.yaml", "path: /metrics", "interval: often", "is not of pattern"),
        ("others/service-monitor-client-certificate.yaml", "scheme: https", "scheme: tls", "\"tls\" is not of enum"),
        (
            "others/service-monitor-client-certificate.yaml",
            "key: ca.crt",
            "optional: false",
            ".ca.secret: \"key\" is missing",
        ),
        ("others/prometheus-patch.yaml", "secrets: [metrics-key]", "secrets: metrics-key", ".spec.secrets: "),
        ("deployment.yaml", "defaultMode: 0440", "defaultMode: \"0440\"", "is not of type \"integer\""),
        ("deployment.yaml", "runAsNonRoot: true", "runAsNonRoot: yes please", "is not of type \"boolean\""),
        ("deployment.yaml", "automountServiceAccountToken", "automountToken", ".automountToken: unknown field"),
        ("deployment.yaml", "secretName:", "name:", ".secret.name: unknown field"),
        ("network-policy.yaml", "namespaceSelector:", "namespaces:", ".from[0].namespaces: unknown field"),
        ("others/additional-scrape-configs.yaml", "stringData:", "strings:", ".strings: unknown field"),
        (
            "others/scrape-config.yaml",
            "  namespace: my-namespace",
            "  namespace: my-namespace\n  namespace: other",
            "duplicate",
        ),
    ] {
        let problems = types.problems(&files.with(file, from, to));
        assert!(problems.iter().any(|problem| problem.contains(complaint)), "`{to}` in {file}: {problems:#?}");
    }
    Ok(())
}
