//! What the files for Kubernetes name is there, in each other.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use libtest_mimic::Failed;
use metrics_guard_core::adapter::SETTINGS;
use metrics_guard_tests::variable_of;
use serde_json::{Map, Value};

use super::{Files, KUSTOMIZATION, OTHERS, additional_scrape_configs, types::Types};
use crate::tools::{at, commands, list, run, text};

/// Whether `labels` has all that `selector` has, which is something.
fn selects(selector: &Value, labels: &Value) -> bool {
    let (Some(selector), Some(labels)) = (selector.as_object(), labels.as_object()) else { return false };
    !selector.is_empty() && selector.iter().all(|(name, value)| labels.get(name) == Some(value))
}

/// The Secrets that there are, by namespace and name, with their keys: of files, and of commands in comments.
fn secrets(files: &Files, objects: &[(&str, Value)]) -> BTreeMap<(String, String), BTreeSet<String>> {
    let mut secrets: BTreeMap<_, BTreeSet<String>> = BTreeMap::new();
    for (_, object) in objects.iter().filter(|(_, object)| object["kind"] == "Secret") {
        let name = (text(object, "/metadata/namespace").to_owned(), text(object, "/metadata/name").to_owned());
        let keys = at(object, "/stringData").as_object().into_iter().flat_map(Map::keys);
        secrets.entry(name).or_default().extend(keys.cloned());
    }
    for content in files.0.values() {
        let commands = commands(content).concat().replace("\\\n", "");
        for command in commands.lines().filter(|command| command.contains(" create secret generic ")) {
            let words: Vec<&str> = command.split_whitespace().collect();
            let after = |word| words.iter().skip_while(|&&other| other != word).nth(1).copied().unwrap_or_default();
            let name = (after("--namespace").to_owned(), after("generic").to_owned());
            let keys = words.iter().filter_map(|word| word.strip_prefix("--from-file="));
            secrets.entry(name).or_default().extend(keys.map(str::to_owned));
        }
    }
    secrets
}

/// In what the files disagree with each other, or with what we tell people to do.
#[allow(clippy::too_many_lines)] // one rule after the other
fn disagreements(files: &Files) -> Result<Vec<String>, String> {
    let objects = files.objects()?;
    let mut found = Vec::new();
    let mut rule = |file: &str, what: &str, is_kept: bool| {
        if !is_kept {
            found.push(format!("{file}: {what}"));
        }
    };
    let of_kind = |kind: &'static str| objects.iter().filter(move |(_, object)| object["kind"] == kind);
    let secrets = secrets(files, &objects);
    let has_key = |namespace: &Value, name: &str, key: &str| {
        let name = (namespace.as_str().unwrap_or_default().to_owned(), name.to_owned());
        secrets.get(&name).is_some_and(|keys| keys.contains(key))
    };

    let deployments: Vec<_> = of_kind("Deployment").collect();
    let [(file, deployment)] = deployments[..] else { return Err("not one Deployment".into()) };
    let pod = at(deployment, "/spec/template");
    let labels = at(pod, "/metadata/labels");
    let container = at(pod, "/spec/containers/0");
    let port = |name: &str| list(container, "/ports").iter().find(|port| port["name"] == name);
    let environment = |name: &str| {
        let variable = list(container, "/env").iter().find(|variable| variable["name"] == name);
        variable.map_or("", |variable| text(variable, "/value"))
    };
    rule(file, "the selector matches the pods", selects(at(deployment, "/spec/selector/matchLabels"), labels));
    rule(file, "one container", list(pod, "/spec/containers").len() == 1);
    for (name, variable) in [("http", "ROCKET_PORT"), ("metrics", "METRICS_PORT")] {
        let number = port(name).map(|port| port["containerPort"].to_string());
        rule(file, &format!("{variable} is the port {name}"), number.as_deref() == Some(environment(variable)));
    }
    for variable in list(container, "/env").iter().map(|variable| text(variable, "/name")) {
        let is_ours = SETTINGS.into_iter().any(|setting| variable_of(setting) == variable);
        let is_the_examples = ["ROCKET_ADDRESS", "ROCKET_PORT", "METRICS_ADDRESS", "METRICS_PORT"].contains(&variable);
        rule(file, &format!("{variable} is known"), is_ours || is_the_examples);
        rule(file, "no key in a variable", variable != "METRICS_VERIFICATION_KEY");
    }
    // The key file is where the folder of the Secret is mounted, and a user who is not root reads it.
    let key_file = Path::new(environment("METRICS_VERIFICATION_KEY_FILE"));
    let mount = list(container, "/volumeMounts").iter();
    let mount = mount.into_iter().find(|mount| key_file.parent() == Some(Path::new(text(mount, "/mountPath"))));
    rule(file, "the folder of the key file is mounted", mount.is_some());
    let mount = mount.unwrap_or(&Value::Null);
    rule(file, "as a folder", mount.get("subPath").is_none() && mount.get("subPathExpr").is_none());
    rule(file, "read-only", mount["readOnly"] == true);
    let volume = list(pod, "/spec/volumes").iter().find(|volume| volume["name"] == mount["name"]);
    let secret = at(volume.unwrap_or(&Value::Null), "/secret");
    let items = list(secret, "/items");
    let name = key_file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let item = items.iter().find(|item| text(item, "/path") == name).unwrap_or(&Value::Null);
    rule(
        file,
        "the mounted key exists",
        has_key(&deployment["metadata"]["namespace"], text(secret, "/secretName"), text(item, "/key")),
    );
    rule(file, "no other key is mounted", items.len() == 1 && item["key"] == "accepted_keys");
    rule(file, "it is readable for the group alone", secret["defaultMode"] == 0o440);
    let user = at(pod, "/spec/securityContext");
    rule(file, "the group is fsGroup", user["fsGroup"].is_u64() && user["fsGroup"] == user["runAsGroup"]);
    rule(file, "the user is not root", user["runAsNonRoot"] == true && user["runAsUser"].as_u64() > Some(0));
    rule(file, "the root is read-only", at(container, "/securityContext/readOnlyRootFilesystem") == true);
    rule(file, "no more rights", at(container, "/securityContext/allowPrivilegeEscalation") == false);
    for (_, probe) in container.as_object().into_iter().flatten().filter(|(name, _)| name.ends_with("Probe")) {
        rule(file, "a probe does not ask for metrics", text(probe, "/httpGet/path") != "/metrics");
        rule(file, "a probe's port exists", port(text(probe, "/httpGet/port")).is_some());
    }

    for (file, service) in of_kind("Service") {
        rule(file, "a Service selects the pods", selects(at(service, "/spec/selector"), labels));
        for it in list(service, "/spec/ports") {
            let target = port(text(it, "/targetPort"));
            let is_same = target.is_some_and(|port| port["containerPort"] == it["port"] && port["name"] == it["name"]);
            rule(file, "a Service's port is one of the pods", is_same);
        }
    }

    // Who scrapes, what, and with which key.
    let mut endpoints = Vec::new();
    for (file, monitor) in of_kind("ServiceMonitor") {
        let selector = at(monitor, "/spec/selector/matchLabels");
        let services: Vec<_> = of_kind("Service")
            .filter(|(_, service)| selects(selector, at(service, "/metadata/labels")))
            .filter(|(_, service)| service["metadata"]["namespace"] == monitor["metadata"]["namespace"])
            .collect();
        rule(file, "the monitor selects one Service", services.len() == 1);
        let service = services.first().map_or(&Value::Null, |(_, service)| service);
        let job = at(service, "/metadata/labels").get(text(monitor, "/spec/jobLabel"));
        rule(file, "the job is the service's name", job == Some(&deployment["metadata"]["name"]));
        for endpoint in list(monitor, "/spec/endpoints") {
            let exists = list(service, "/spec/ports").iter().any(|port| port["name"] == endpoint["port"]);
            rule(file, "the endpoint's port exists", exists && endpoint["port"] == "metrics");
            endpoints.push((file, monitor, endpoint, text(endpoint, "/path")));
        }
    }
    for (file, monitor) in of_kind("PodMonitor") {
        rule(file, "the monitor selects the pods", selects(at(monitor, "/spec/selector/matchLabels"), labels));
        let job = labels.get(text(monitor, "/spec/jobLabel"));
        rule(file, "the job is the service's name", job == Some(&deployment["metadata"]["name"]));
        for endpoint in list(monitor, "/spec/podMetricsEndpoints") {
            rule(file, "the endpoint's port exists", endpoint["port"] == "metrics");
            endpoints.push((file, monitor, endpoint, text(endpoint, "/path")));
        }
    }
    for (file, config) in of_kind("ScrapeConfig") {
        rule(file, "the job is the service's name", at(config, "/spec/jobName") == &deployment["metadata"]["name"]);
        let target = text(config, "/spec/staticConfigs/0/targets/0");
        let expected = format!("{}:8000", text(deployment, "/metadata/name"));
        rule(file, "the target is the service", target == expected);
        endpoints.push((file, config, at(config, "/spec"), text(config, "/spec/metricsPath")));
    }
    rule("all", "each kind of monitor is here", endpoints.len() == 4);
    for (file, monitor, endpoint, path) in endpoints {
        rule(file, "the path", path == "/metrics");
        // A ScrapeConfig has no field for it; see its type.
        let may_say = monitor["kind"] != "ScrapeConfig";
        rule(file, "redirects are not followed", !may_say || endpoint["followRedirects"] == false);
        rule(file, "no parameters", endpoint.get("params").is_none());
        rule(file, "the key is a token", text(endpoint, "/authorization/type") == "Bearer");
        rule(file, "the scraper's key", text(endpoint, "/authorization/credentials/key") == "metrics_key");
        let mut references = vec![at(endpoint, "/authorization/credentials")];
        if let Some(tls) = endpoint.get("tlsConfig") {
            rule(file, "certificates go over TLS", endpoint["scheme"] == "https");
            references.extend([at(tls, "/ca/secret"), at(tls, "/cert/secret"), &tls["keySecret"]]);
            let service = of_kind("Service").find(|(_, service)| {
                let [name, namespace] = ["name", "namespace"].map(|field| service["metadata"][field].as_str());
                let name = format!("{}.{}.svc", name.unwrap_or_default(), namespace.unwrap_or_default());
                text(tls, "/serverName") == name
            });
            rule(file, "the server's name is a Service's", service.is_some());
        }
        for secret in references {
            let [name, key] = ["/name", "/key"].map(|field| text(secret, field));
            let exists = has_key(&monitor["metadata"]["namespace"], name, key);
            rule(file, &format!("{name} has {key}"), exists);
        }
    }

    // The header form.
    let prometheus: Vec<_> = of_kind("Prometheus").collect();
    let [(file, prometheus)] = prometheus[..] else { return Err("not one Prometheus".into()) };
    let namespace = &prometheus["metadata"]["namespace"];
    rule(file, "Prometheus has a namespace of its own", *namespace != deployment["metadata"]["namespace"]);
    let additional = at(prometheus, "/spec/additionalScrapeConfigs");
    rule(file, "the list exists", has_key(namespace, text(additional, "/name"), text(additional, "/key")));
    let (list_file, jobs, _) = additional_scrape_configs(&objects)?;
    let secret = text(prometheus, "/spec/secrets/0");
    let path = format!("/etc/prometheus/secrets/{secret}/metrics_key");
    rule(file, "the Secret exists", has_key(namespace, secret, "metrics_key"));
    let patches: Vec<_> = commands(&files.0[*file]).concat().split_whitespace().map(str::to_owned).collect();
    let names_itself = patches.contains(&format!("--patch-file={file}")) && patches.contains(&"patch".to_owned());
    rule(file, "the command is for this file", names_itself);
    rule(file, "it cannot be applied", !files.0[*file].contains("kind:"));
    rule(list_file, "one job", jobs.as_array().is_some_and(|jobs| jobs.len() == 1));
    rule(list_file, "the key file is mounted", text(&jobs, "/0/http_headers/X-Metrics-Key/files/0") == path);
    rule(list_file, "redirects are not followed", at(&jobs, "/0/follow_redirects") == false);
    rule(list_file, "the path", text(&jobs, "/0/metrics_path") == "/metrics");
    rule(list_file, "the job is the service's name", at(&jobs, "/0/job_name") == &deployment["metadata"]["name"]);
    let searched = at(&jobs, "/0/kubernetes_sd_configs/0/namespaces/names/0");
    rule(list_file, "it searches the service's namespace", *searched == deployment["metadata"]["namespace"]);
    let kept = format!("{};metrics", labels["app.kubernetes.io/name"].as_str().unwrap_or_default());
    rule(list_file, "it keeps the port of the pods", text(&jobs, "/0/relabel_configs/0/regex") == kept);

    for (file, policy) in of_kind("NetworkPolicy") {
        rule(file, "the policy selects the pods", selects(at(policy, "/spec/podSelector/matchLabels"), labels));
        rule(file, "it is for what comes in", at(policy, "/spec/policyTypes") == &serde_json::json!(["Ingress"]));
        let mut ports = Vec::new();
        for ingress in list(policy, "/spec/ingress") {
            for it in list(ingress, "/ports").iter().map(|port| text(port, "/port")) {
                ports.push(it);
                rule(file, &format!("the port {it} exists"), port(it).is_some());
                rule(file, "only the public port is open", it == "http" || !list(ingress, "/from").is_empty());
            }
            for from in list(ingress, "/from") {
                let of_prometheus =
                    from["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"] == *namespace;
                let is_prometheus = from["podSelector"]["matchLabels"]["app.kubernetes.io/name"] == "prometheus";
                rule(file, "only Prometheus may ask for metrics", of_prometheus && is_prometheus);
            }
        }
        rule(file, "every port has its rule", ports == ["http", "metrics"]);
    }
    rule("all", "there is a NetworkPolicy", of_kind("NetworkPolicy").count() == 1);

    let kustomization = files.kustomization()?;
    let resources: Vec<_> = list(&kustomization, "/resources").iter().filter_map(Value::as_str).collect();
    rule(KUSTOMIZATION, "its files exist", resources.iter().all(|file| files.0.contains_key(*file)));
    rule(KUSTOMIZATION, "no Secret is applied", of_kind("Secret").all(|(file, _)| !resources.contains(file)));
    // Who applies the folder by itself gets what the list has, and nothing twice.
    for (file, _) in &objects {
        rule(file, "it is in the list, or with the others", file.starts_with(OTHERS) || resources.contains(file));
    }
    let image = text(&kustomization, "/images/0/name");
    rule(KUSTOMIZATION, "its image is the one of the pods", text(container, "/image") == image);
    Ok(found)
}

pub(super) fn the_names_agree() -> Result<(), Failed> {
    let found = disagreements(&Files::ours()?)?;
    assert!(found.is_empty(), "{found:#?}");
    Ok(())
}

pub(super) fn what_disagrees_is_seen() -> Result<(), Failed> {
    let files = Files::ours()?;
    for (file, from, to, complaint) in [
        (
            "deployment.yaml",
            "    matchLabels:\n      app.kubernetes.io/name: my-service",
            "    matchLabels:\n      app.kubernetes.io/name: other",
            "the selector matches the pods",
        ),
        ("deployment.yaml", "containerPort: 9100", "containerPort: 9101", "METRICS_PORT is the port metrics"),
        (
            "deployment.yaml",
            "mountPath: /etc/my-service/keys",
            "mountPath: /etc/my-service/key",
            "the folder of the key file is mounted",
        ),
        (
            "deployment.yaml",
            "mountPath: /etc/my-service/keys",
            "mountPath: /etc/my-service/keys\n              subPath: accepted_keys",
            "as a folder",
        ),
        ("deployment.yaml", "METRICS_VERIFICATION_KEY_FILE", "METRICS_VERIFICATION_KEYFILE", "is known"),
        ("deployment.yaml", "METRICS_VERIFICATION_KEY_FILE", "METRICS_VERIFICATION_KEY", "no key in a variable"),
        ("deployment.yaml", "secretName: metrics-key", "secretName: metrics-keys", "the mounted key exists"),
        ("deployment.yaml", "key: accepted_keys", "key: metrics_key", "no other key is mounted"),
        ("deployment.yaml", "0440", "0400", "readable for the group"),
        ("deployment.yaml", "fsGroup: 65532", "fsGroup: 65533", "the group is fsGroup"),
        ("deployment.yaml", "path: /\n", "path: /metrics\n", "a probe does not ask for metrics"),
        ("deployment.yaml", "targetPort: metrics", "targetPort: metric", "a Service's port is one of the pods"),
        ("deployment.yaml", "component: metrics", "component: other", "the monitor selects one Service"),
        ("service-monitor.yaml", "port: metrics", "port: metric", "the endpoint's port exists"),
        ("service-monitor.yaml", "key: metrics_key", "key: accepted_keys", "the scraper's key"),
        ("service-monitor.yaml", "followRedirects: false", "followRedirects: true", "redirects are not followed"),
        ("service-monitor.yaml", "name: metrics-key", "name: other", "other has metrics_key"),
        ("others/service-monitor-client-certificate.yaml", "key: tls.crt", "key: tls.pem", "has tls.pem"),
        (
            "others/service-monitor-client-certificate.yaml",
            "serverName: my-service-metrics",
            "serverName: my-service-metric",
            "the server's name",
        ),
        (
            "others/pod-monitor.yaml",
            "jobLabel: app.kubernetes.io/name",
            "jobLabel: app",
            "the job is the service's name",
        ),
        ("others/scrape-config.yaml", "namespace: my-namespace", "namespace: other", "metrics-key has metrics_key"),
        (
            "others/additional-scrape-configs.yaml",
            "secrets/metrics-key/metrics_key]",
            "secrets/metrics-key/key]",
            "the key file is mounted",
        ),
        (
            "others/additional-scrape-configs.yaml",
            "create secret generic metrics-key",
            "create secret generic other",
            "the Secret exists",
        ),
        ("others/prometheus-patch.yaml", "key: scrape-configs.yaml", "key: scrape-config.yaml", "the list exists"),
        (
            "others/prometheus-patch.yaml",
            "--patch-file=others/prometheus-patch",
            "--patch-file=patch",
            "the command is for this file",
        ),
        ("others/prometheus-patch.yaml", "spec:", "kind: Prometheus\nspec:", "it cannot be applied"),
        (
            "others/additional-scrape-configs.yaml",
            "regex: my-service;metrics",
            "regex: my-service;http",
            "it keeps the port",
        ),
        ("network-policy.yaml", "    - ports:\n        - port: http\n", "", "every port has its rule"),
        (
            "network-policy.yaml",
            "          podSelector:",
            "        - podSelector:",
            "only Prometheus may ask for metrics",
        ),
        ("network-policy.yaml", "name: my-monitoring", "name: other", "only Prometheus may ask for metrics"),
        (
            "kustomization.yaml",
            "  - deployment.yaml",
            "  - deployment.yaml\n  - others/additional-scrape-configs.yaml",
            "no Secret is applied",
        ),
        ("kustomization.yaml", "  - network-policy.yaml\n", "", "it is in the list, or with the others"),
    ] {
        // `create secret` stands in a file once for the first time and once for a rotation.
        let mut changed = files.with(file, from, to);
        if from.starts_with("create secret") {
            changed = changed.with(file, from, to);
        }
        let found = disagreements(&changed)?;
        assert!(found.iter().any(|found| found.contains(complaint)), "`{to}` in {file}: {found:#?}");
    }
    Ok(())
}

/// The commands in kustomization.yaml that put other names in place.
pub(super) fn the_names_agree_after_a_change() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let files = Files::ours()?;
    files.write(folder.path())?;
    let commands: Vec<_> =
        files.0[KUSTOMIZATION].lines().filter_map(|line| Some(&line[line.find("sed -i")?..])).collect();
    assert_eq!(commands.len(), 4);
    for (number, command) in commands.iter().enumerate() {
        run(&command.replace("yours", &format!("yours-{number}")), folder.path(), folder.path())?;
    }
    let changed = Files::of(folder.path())?;
    let found = disagreements(&changed)?;
    assert!(found.is_empty(), "{found:#?}");
    for (file, content) in &changed.0 {
        let old = ["my-service", "my-namespace", "my-monitoring", "metrics-key"];
        assert!(!old.iter().any(|name| content.contains(name)), "{file} has an old name");
    }
    assert!(Types::load().problems(&changed).is_empty());
    Ok(())
}
