//! Tests that the files in deploy/compose and deploy/kubernetes agree with each other, and publish neither a key nor
//! the metrics. `.ci/run` checks that their fields exist.

use std::fs;

use serde_json::{Value, json};

use crate::job::deploy;

/// Returns the documents in a file of deploy/. Octal numbers are those of YAML 1.1, which Kubernetes reads.
pub(crate) fn documents(file: &str) -> Vec<Value> {
    let options = serde_saphyr::options! { legacy_octal_numbers: true };
    serde_saphyr::from_multiple_with_options(&fs::read_to_string(deploy(file)).unwrap(), options).unwrap()
}

/// Asserts that these are all values of the field in these files, in any order.
fn assert_values(files: &[&str], field: &str, expected: &[Value]) {
    let mut values = Vec::new();
    for document in files.iter().flat_map(|file| documents(file)) {
        collect(&document, field, &mut values);
    }
    let is_same = values.len() == expected.len()
        && values.iter().all(|value| expected.contains(value))
        && expected.iter().all(|value| values.contains(value));
    assert!(is_same, "{field} in {files:?}: {values:#?}");
}

fn collect(value: &Value, field: &str, values: &mut Vec<Value>) {
    for (name, value) in value.as_object().into_iter().flatten() {
        if name == field {
            values.push(value.clone());
        }
        collect(value, field, values);
    }
    value.as_array().into_iter().flatten().for_each(|value| collect(value, field, values));
}

pub(crate) fn compose_names() {
    let bind = |source: &str, target: &str| {
        // A mounted key file would keep the old key, so the keys are in folders.
        let options = json!({"create_host_path": false});
        json!({"type": "bind", "source": source, "target": target, "read_only": true, "bind": options})
    };
    let config = bind("../prometheus/credentials_file.yml", "/etc/prometheus/prometheus.yml");
    let data = json!({"type": "volume", "source": "prometheus-data", "target": "/prometheus"});
    let of_prometheus = json!([config, bind("./keys", "/etc/prometheus/keys"), data]);
    let of_service = json!([bind("./service-keys", "/etc/my-service/keys")]);
    let command = json!(["--config.file=/etc/prometheus/prometheus.yml", "--storage.tsdb.path=/prometheus"]);
    for (field, expected) in [
        ("ports", vec![]),
        ("METRICS_VERIFICATION_KEY", vec![]),
        ("METRICS_VERIFICATION_KEY_FILE", vec![json!("/etc/my-service/keys/accepted_keys")]),
        ("ROCKET_PORT", vec![json!("8000")]),
        ("networks", vec![json!(["metrics"]), json!(["metrics"]), json!({"metrics": {"internal": true}})]),
        ("volumes", vec![of_service, of_prometheus, json!({"prometheus-data": null})]),
        ("command", vec![command]),
    ] {
        assert_values(&["compose/compose.yaml"], field, &expected);
    }
}

pub(crate) fn kubernetes_names() {
    let pod = json!({"app.kubernetes.io/name": "my-service"});
    let service = json!({"app.kubernetes.io/name": "my-service", "app.kubernetes.io/component": "metrics"});
    let keys = json!({"name": "keys", "secret": {
        "secretName": "metrics-key", "defaultMode": 0o440, "items": [{"key": "accepted_keys", "path": "accepted_keys"}],
    }});
    let ports = json!([{"name": "http", "containerPort": 8000}, {"name": "metrics", "containerPort": 9100}]);
    let public = json!([{"name": "http", "port": 8000, "targetPort": "http"}]);
    let internal = json!([{"name": "metrics", "port": 9100, "targetPort": "metrics"}]);
    for (field, expected) in [
        ("matchLabels", vec![pod.clone()]),
        ("selector", vec![json!({"matchLabels": pod}), pod.clone(), pod.clone()]),
        ("labels", vec![pod.clone(), pod.clone(), pod.clone(), service.clone()]),
        ("value", ["/etc/my-service/keys/accepted_keys", "0.0.0.0", "8000", "9100"].map(Value::from).into()),
        ("volumeMounts", vec![json!([{"name": "keys", "mountPath": "/etc/my-service/keys", "readOnly": true}])]),
        ("volumes", vec![json!([keys])]),
        ("httpGet", vec![json!({"path": "/", "port": "http"})]),
        ("ports", vec![ports, public, internal]),
    ] {
        assert_values(&["kubernetes/deployment.yaml"], field, &expected);
    }

    let prometheus = json!({
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "my-monitoring"}},
        "podSelector": {"matchLabels": {"app.kubernetes.io/name": "prometheus"}},
    });
    let rules = json!([{"ports": [{"port": "http"}]}, {"ports": [{"port": "metrics"}], "from": [prometheus]}]);
    assert_values(&["kubernetes/network-policy.yaml"], "ingress", &[rules]);

    let with_certificate = "kubernetes/others/service-monitor-client-certificate.yaml";
    let (monitor, pods) = ("kubernetes/service-monitor.yaml", "kubernetes/others/pod-monitor.yaml");
    let (config, additional) =
        ("kubernetes/others/scrape-config.yaml", "kubernetes/others/additional-scrape-configs.yaml");
    let credentials = json!({"name": "metrics-key", "key": "metrics_key"});
    let client = "my-service-client-certificate";
    assert_values(&[monitor, with_certificate, pods], "port", &["metrics"; 3].map(Value::from));
    assert_values(&[monitor, with_certificate, pods], "followRedirects", &[false; 3].map(Value::from));
    assert_values(&[monitor, with_certificate], "matchLabels", &[service.clone(), service]);
    assert_values(&[pods], "matchLabels", &[pod]);
    assert_values(&[monitor, with_certificate, pods, config], "credentials", &[(); 4].map(|()| credentials.clone()));
    assert_values(&[with_certificate], "secret", &["ca.crt", "tls.crt"].map(|key| json!({"name": client, "key": key})));
    assert_values(&[with_certificate], "keySecret", &[json!({"name": client, "key": "tls.key"})]);
    assert_values(&[config], "namespace", &[json!("my-namespace")]);
    assert_values(&[additional], "namespace", &[json!("my-monitoring")]);
    assert_values(&["kubernetes/others/prometheus-patch.yaml"], "secrets", &[json!(["metrics-key"])]);

    let jobs = fs::read_to_string(deploy(additional)).unwrap();
    for part in
        ["follow_redirects: false", "[/etc/prometheus/secrets/metrics-key/metrics_key]", "names: [my-namespace]"]
    {
        assert!(jobs.contains(part), "{part}");
    }
    // The file with the commands has only comments, so that applying the folder overwrites no key.
    let secret = fs::read_to_string(deploy("kubernetes/secret.yaml")).unwrap();
    assert!(secret.lines().all(|line| line.starts_with('#')));
}
