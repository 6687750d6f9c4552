//! deploy/kubernetes: each field of Kubernetes' own kinds is one that there is, the files agree with each other, the example
//! runs with the Deployment's environment, and the commands do what they say. The Operator's kinds have no published schema
//! that a package brings: of them, the fields that carry the key and find the service are compared.

use std::{collections::BTreeMap, fs, net::SocketAddr, path::Path, process::Command};

use base64ct::{Base64, Encoding as _};
use libtest_mimic::{Failed, Trial};
use metrics_guard_tests::{
    KEY, WRONG,
    process::{Process, said},
    prometheus::Version,
    wire::{exchange, request, with_bearer},
};
use serde_json::{Map, Value, json};

use crate::tools::{
    assert_rotates, at, commands, deploy, documents, example, list, promtool_accepts, run, script, text, with,
    with_python,
};

const OTHERS: &str = "others/";
const LIST: &str = "others/additional-scrape-configs.yaml";
const PATCH: &str = "others/prometheus-patch.yaml";

pub(crate) fn trials() -> Vec<Trial> {
    let promtool = Version::ALL.map(|version| {
        Trial::ignorable_test(format!("kubernetes_scrape_configs_by_promtool_{}", version.slot()), move || {
            with(version.slot(), "promtool", |promtool| scrape_configs_by_promtool(version, promtool))
        })
    });
    let trials = [
        Trial::ignorable_test("kubernetes_types", || with_python(every_field_is_one_that_there_is)),
        Trial::test("kubernetes_names", || the_names_agree(&Files::of(&deploy("kubernetes"))?)),
        Trial::test("kubernetes_names_after_a_change", the_names_agree_after_a_change),
        Trial::test("kubernetes_service", the_example_runs_as_deployed),
        Trial::ignorable_test("kubernetes_kustomize", || with("kubectl", "kubectl", what_kustomize_makes)),
        Trial::ignorable_test("kubernetes_commands", || with("kubectl", "kubectl", the_commands_do_what_they_say)),
    ];
    trials.into_iter().chain(promtool).collect()
}

/// The texts of the files, by their paths.
struct Files(BTreeMap<String, String>);

impl Files {
    fn of(folder: &Path) -> Result<Files, Failed> {
        let mut files = BTreeMap::new();
        for prefix in ["", OTHERS] {
            for entry in fs::read_dir(folder.join(prefix))? {
                let name = format!("{prefix}{}", entry?.file_name().to_string_lossy());
                if Path::new(&name).extension().is_some_and(|extension| extension == "yaml") {
                    files.insert(name.clone(), fs::read_to_string(folder.join(name))?);
                }
            }
        }
        Ok(Files(files))
    }

    /// The only object in this file.
    fn object(&self, file: &str) -> Result<Value, Failed> {
        let mut objects = documents(&self.0[file])?;
        assert_eq!(objects.len(), 1, "{file}");
        Ok(objects.remove(0))
    }

    /// Whether a command in the comments makes this Secret, with this key.
    fn makes(&self, namespace: &str, secret: &str, key: &str) -> bool {
        let command = format!("kubectl --namespace {namespace} create secret generic {secret} ");
        let commands = self.0.values().flat_map(|file| commands(file)).collect::<String>().replace("\\\n", "");
        let mut commands = commands.lines().filter(|line| line.contains(&command)).peekable();
        let file = format!("--from-file={key}");
        commands.peek().is_some() && commands.all(|line| line.split_whitespace().any(|word| word == file))
    }
}

#[allow(clippy::too_many_lines)] // one rule after the other
fn the_names_agree(files: &Files) -> Result<(), Failed> {
    const METRICS_KEY: &str = "metrics_key";
    let [deployment, public, internal] = &documents(&files.0["deployment.yaml"])?[..] else {
        return Err("not three objects".into());
    };
    let kustomization = files.object("kustomization.yaml")?;
    let (name, namespace) = (text(deployment, "/metadata/name"), text(&kustomization, "/namespace"));
    let labels = json!({"app.kubernetes.io/name": name});

    let pod = at(deployment, "/spec/template");
    assert_eq!([at(deployment, "/spec/selector/matchLabels"), at(pod, "/metadata/labels")], [&labels; 2]);
    let [container] = list(pod, "/spec/containers") else { return Err("not one container".into()) };
    let value = |variable: &str| {
        let variable = list(container, "/env").iter().find(|it| it["name"] == variable);
        text(variable.unwrap_or(&Value::Null), "/value")
    };
    let port = |name: &str, number: &str| json!({"name": name, "containerPort": number.parse::<u16>().unwrap()});
    let ports =
        [("http", "ROCKET_PORT"), ("metrics", "METRICS_PORT")].map(|(name, port_of)| port(name, value(port_of)));
    assert_eq!(container["ports"], json!(ports));
    assert_eq!(container["readinessProbe"], json!({"httpGet": {"path": "/", "port": "http"}}));
    assert_eq!(value("METRICS_VERIFICATION_KEY"), "", "a key inline");

    // The folder of the key file is mounted, with the service's keys alone, and a user who is not root can read it.
    let (folder, file) = value("METRICS_VERIFICATION_KEY_FILE").rsplit_once('/').unwrap();
    assert_eq!(container["volumeMounts"], json!([{"name": "keys", "mountPath": folder, "readOnly": true}]));
    let secret = text(pod, "/spec/volumes/0/secret/secretName");
    let items = json!([{"key": "accepted_keys", "path": file}]);
    let volume = json!({"secretName": secret, "defaultMode": 0o440, "items": items});
    assert_eq!(at(pod, "/spec/volumes"), &json!([{"name": "keys", "secret": volume}]));
    assert!(files.makes(namespace, secret, "accepted_keys") && files.makes(namespace, secret, METRICS_KEY));
    let user = at(pod, "/spec/securityContext");
    assert!(user["runAsUser"].as_u64() > Some(0) && user["fsGroup"].is_u64(), "{user}");
    assert_eq!((&user["runAsNonRoot"], &user["fsGroup"]), (&true.into(), &user["runAsGroup"]), "{user}");
    let rights = json!({
        "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]},
    });
    assert_eq!(container["securityContext"], rights);

    let service_labels = json!({"app.kubernetes.io/name": name, "app.kubernetes.io/component": "metrics"});
    assert_eq!(at(internal, "/metadata/labels"), &service_labels);
    for (service, port) in [(public, &ports[0]), (internal, &ports[1])] {
        assert_eq!(at(service, "/spec/selector"), &labels);
        let [name, number] = [&port["name"], &port["containerPort"]];
        assert_eq!(at(service, "/spec/ports"), &json!([{"name": name, "port": number, "targetPort": name}]));
    }

    // The monitors select the service, and send the scraper's key.
    let authorization = json!({"type": "Bearer", "credentials": {"name": secret, "key": METRICS_KEY}});
    let mut endpoint =
        json!({"port": "metrics", "path": "/metrics", "followRedirects": false, "authorization": authorization});
    let job = "app.kubernetes.io/name";
    let object = |version: &str, kind: &str, spec: Value| {
        let metadata = json!({"name": name, "labels": labels});
        json!({"apiVersion": format!("monitoring.coreos.com/{version}"), "kind": kind, "metadata": metadata, "spec": spec})
    };
    let monitor = |endpoint: &Value| {
        let selector = json!({"matchLabels": service_labels});
        object("v1", "ServiceMonitor", json!({"jobLabel": job, "selector": selector, "endpoints": [endpoint]}))
    };
    assert_eq!(files.object("service-monitor.yaml")?, monitor(&endpoint));
    let selector = json!({"matchLabels": labels});
    let spec = json!({"jobLabel": job, "selector": selector, "podMetricsEndpoints": [endpoint]});
    assert_eq!(files.object("others/pod-monitor.yaml")?, object("v1", "PodMonitor", spec));
    let client = format!("{name}-client-certificate");
    let of_client = |key: &str| {
        assert!(files.makes(namespace, &client, key), "{client} has no {key}");
        json!({"name": client, "key": key})
    };
    endpoint["scheme"] = "https".into();
    endpoint["tlsConfig"] = json!({
        "serverName": format!("{}.{namespace}.svc", text(internal, "/metadata/name")),
        "ca": {"secret": of_client("ca.crt")}, "cert": {"secret": of_client("tls.crt")}, "keySecret": of_client("tls.key"),
    });
    assert_eq!(files.object("others/service-monitor-client-certificate.yaml")?, monitor(&endpoint));
    let targets = json!([{"targets": [format!("{name}:8000")]}]);
    let spec = json!({
        "jobName": name, "metricsPath": "/metrics", "authorization": authorization, "staticConfigs": targets,
    });
    let mut config = object("v1alpha1", "ScrapeConfig", spec);
    config["metadata"]["namespace"] = namespace.into();
    assert_eq!(files.object("others/scrape-config.yaml")?, config);

    // The list of scrape configs is in the namespace of Prometheus, and has no key.
    let others = files.object(LIST)?;
    let monitoring = text(&others, "/metadata/namespace");
    assert_ne!(monitoring, namespace);
    assert!(others.get("data").is_none() && others["stringData"].as_object().is_some_and(|texts| texts.len() == 1));
    assert!(files.makes(monitoring, secret, METRICS_KEY));
    let jobs = documents(text(&others, "/stringData/scrape-configs.yaml"))?.remove(0);
    let [job] = list(&jobs, "") else { return Err("not one job".into()) };
    let path = format!("/etc/prometheus/secrets/{secret}/{METRICS_KEY}");
    for (pointer, expected) in [
        ("/job_name", json!(name)),
        ("/metrics_path", json!("/metrics")),
        ("/follow_redirects", json!(false)),
        ("/http_headers", json!({"X-Metrics-Key": {"files": [path]}})),
        ("/kubernetes_sd_configs", json!([{"role": "pod", "namespaces": {"names": [namespace]}}])),
        ("/relabel_configs/0/regex", json!(format!("{name};metrics"))),
    ] {
        assert_eq!(at(job, pointer), &expected, "{pointer}");
    }
    let additional = json!({"name": text(&others, "/metadata/name"), "key": "scrape-configs.yaml"});
    let expected = json!({"spec": {"secrets": [secret], "additionalScrapeConfigs": additional}});
    assert_eq!(files.object(PATCH)?, expected);
    let command = format!("kubectl --namespace {monitoring} patch prometheus NAME --type=merge --patch-file={PATCH}\n");
    assert_eq!(commands(&files.0[PATCH]), [command]);

    let prometheus = json!({
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": monitoring}},
        "podSelector": {"matchLabels": {"app.kubernetes.io/name": "prometheus"}},
    });
    let expected = json!({
        "podSelector": {"matchLabels": labels},
        "policyTypes": ["Ingress"],
        "ingress": [{"ports": [{"port": "http"}]}, {"ports": [{"port": "metrics"}], "from": [prometheus]}],
    });
    assert_eq!(files.object("network-policy.yaml")?["spec"], expected);

    // `kubectl apply --filename=.` applies what is in the list, and no Secret.
    let resources = json!(["deployment.yaml", "network-policy.yaml", "service-monitor.yaml"]);
    assert_eq!(kustomization["resources"], resources);
    let folder: Vec<_> = files.0.keys().filter(|file| !file.starts_with(OTHERS)).collect();
    let expected =
        ["deployment.yaml", "kustomization.yaml", "network-policy.yaml", "secret.yaml", "service-monitor.yaml"];
    assert_eq!(folder, expected);
    assert!(files.0["secret.yaml"].lines().all(|line| line.starts_with('#')));
    assert_eq!(at(&kustomization, "/images/0/name"), &container["image"]);
    Ok(())
}

/// The commands in kustomization.yaml that put other names in place.
fn the_names_agree_after_a_change() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let files = Files::of(&deploy("kubernetes"))?;
    fs::create_dir(folder.path().join(OTHERS))?;
    files.0.iter().try_for_each(|(file, content)| fs::write(folder.path().join(file), content))?;
    let commands = files.0["kustomization.yaml"].lines().filter_map(|line| Some(&line[line.find("sed -i")?..]));
    for (number, command) in commands.enumerate() {
        run(&command.replace("yours", &format!("yours-{number}")), folder.path(), folder.path())?;
    }
    let changed = Files::of(folder.path())?;
    the_names_agree(&changed)?;
    for (file, content) in &changed.0 {
        let old = ["my-service", "my-namespace", "my-monitoring", "metrics-key"];
        assert!(!old.iter().any(|name| content.contains(name)), "{file} has an old name");
    }
    Ok(())
}

/// By the published schemas of Kubernetes, which refuse a field that is not there.
fn every_field_is_one_that_there_is(programs: &Path) -> Result<(), Failed> {
    let check = |folder: &Path, files: &[&str]| -> Result<String, Failed> {
        let mut command = Command::new(programs.join("kubernetes-validate"));
        let output =
            command.args(["--strict", "--kubernetes-version=1.37.0"]).args(files).current_dir(folder).output()?;
        Ok(said(&output))
    };
    let folder = deploy("kubernetes");
    let checked = check(&folder, &["deployment.yaml", "network-policy.yaml", LIST])?;
    let kinds: Vec<_> = checked.lines().filter_map(|line| line.split("passed for resource ").nth(1)).collect();
    let expected = [
        "deployment/my-service",
        "service/my-service",
        "service/my-service-metrics",
        "networkpolicy/my-service",
        "secret/additional-scrape-configs",
    ];
    assert_eq!(kinds, expected.map(|kind| format!("{kind} against version 1.37")), "{checked}");
    assert_eq!(checked.lines().count(), expected.len(), "{checked}");

    let other = tempfile::tempdir()?;
    let text = fs::read_to_string(folder.join("deployment.yaml"))?.replace("secretName:", "name:");
    fs::write(other.path().join("deployment.yaml"), text)?;
    let checked = check(other.path(), &["deployment.yaml"])?;
    assert!(checked.contains("'name' was unexpected"), "{checked}");
    Ok(())
}

/// The example `internal`, with the names of the Deployment's environment. A variable that it does not know is an error.
fn the_example_runs_as_deployed() -> Result<(), Failed> {
    let deployment = documents(&fs::read_to_string(deploy("kubernetes/deployment.yaml"))?)?.remove(0);
    let container = at(&deployment, "/spec/template/spec/containers/0");
    let folder = tempfile::tempdir()?;
    let key_file = folder.path().join("accepted_keys");
    fs::write(&key_file, KEY)?;
    // With the feature that the tests' own build of the crate has.
    let mut command = Command::new(example("metrics-guard-rocket", "internal", &["--features", "mtls"])?);
    command.env_clear();
    for name in list(container, "/env").iter().map(|variable| text(variable, "/name")) {
        // The values are such that they fit here, and differ from the defaults.
        match name {
            "METRICS_VERIFICATION_KEY_FILE" => command.env(name, &key_file),
            "ROCKET_ADDRESS" => command.env(name, "127.0.0.1"),
            "METRICS_ADDRESS" => command.env(name, "127.0.0.2"),
            "ROCKET_PORT" | "METRICS_PORT" => command.env(name, "0"),
            _ => return Err(format!("{name} is not known").into()),
        };
    }
    let mut process = Process::start(&mut command)?;
    let mut listener = |address: &str| {
        process.wait_for(|line| {
            let server: SocketAddr = line.split_once("launched from http://")?.1.trim().parse().ok()?;
            (server.ip().to_string() == address).then_some(server)
        })
    };
    let (public, internal) = (listener("127.0.0.1")?, listener("127.0.0.2")?);
    assert!(public.port() != 8000 && internal.port() != 9100, "a default");
    // The kubelet has no key.
    let probe = request("GET", text(container, "/readinessProbe/httpGet/path"), &[]);
    assert_eq!(exchange(public, &probe)?.status, 200);
    let scrape = with_bearer("/metrics", KEY);
    assert_eq!([exchange(public, &scrape)?.status, exchange(internal, &scrape)?.status], [404, 200]);
    assert_eq!(
        [exchange(internal, &probe)?.status, exchange(internal, &with_bearer("/metrics", WRONG))?.status],
        [404, 401]
    );
    Ok(())
}

fn scrape_configs_by_promtool(version: Version, promtool: &Path) -> Result<(), Failed> {
    let secret = Files::of(&deploy("kubernetes"))?.object(LIST)?;
    let list = text(&secret, "/stringData/scrape-configs.yaml");
    let (accepts, said) = promtool_accepts(promtool, &format!("scrape_configs:\n{list}"))?;
    assert_eq!(accepts, version != Version::Bookworm, "{said}");
    assert!(accepts || said.contains("http_headers"), "{said}");
    Ok(())
}

fn what_kustomize_makes(kubectl: &Path) -> Result<(), Failed> {
    let (home, folder) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let files = Files::of(&deploy("kubernetes"))?;
    fs::create_dir(folder.path().join(OTHERS))?;
    files.0.iter().try_for_each(|(file, content)| fs::write(folder.path().join(file), content))?;
    // Each of the others in the list can take the place of the monitor.
    for monitor in ["service-monitor.yaml", "others/service-monitor-client-certificate.yaml", "others/pod-monitor.yaml"]
    {
        let list = files.0["kustomization.yaml"].replace("  - service-monitor.yaml\n", "");
        let list = list.replace("resources:\n", &format!("resources:\n  - {monitor}\n"));
        fs::write(folder.path().join("kustomization.yaml"), list)?;
        let output = Command::new(kubectl).env("HOME", home.path()).arg("kustomize").arg(folder.path()).output()?;
        assert!(output.status.success() && output.stderr.is_empty(), "{}", said(&output));
        let made = documents(&String::from_utf8(output.stdout)?)?;
        assert_eq!(made.len(), 5, "{monitor}");
        assert!(made.iter().all(|object| text(object, "/metadata/namespace") == "my-namespace"));
        let image = made.iter().find_map(|object| object.pointer("/spec/template/spec/containers/0/image"));
        assert_eq!(image, Some(&json!("registry.example.com/my-service:1.0")));
    }
    Ok(())
}

/// The commands in secret.yaml, by kubectl: each but its last step, for which there is no cluster.
fn the_commands_do_what_they_say(kubectl: &Path) -> Result<(), Failed> {
    let file = fs::read_to_string(deploy("kubernetes/secret.yaml"))?;
    let [begin, rotate] = &commands(&file)[..] else { return Err("not two blocks".into()) };
    let [folder, programs] = [tempfile::tempdir()?, tempfile::tempdir()?];
    // What would be sent to the cluster goes into files instead, one after the other.
    let sent_to = programs.path().join("sent");
    fs::create_dir(&sent_to)?;
    let to_file = format!("cat > {0}/$(ls {0} | wc -l)", sent_to.display());
    let kubectl = format!("env HOME={} {}", programs.path().display(), kubectl.display());
    let modes = "for file in accepted_keys metrics_key new_key; do\n[ ! -e $file ] || [ $(stat -c %a $file) = 600 ] || \
                 { echo \"$file is open to others\" >&2; exit 1; }\ndone\n";
    let body = format!(
        "{modes}case \"$*\" in\n'replace --filename=-') {to_file};;\n*--dry-run=client*) exec {kubectl} \"$@\";;\n\
         *) {kubectl} \"$@\" --dry-run=client --output=yaml | {to_file};;\nesac"
    );
    script(programs.path(), "kubectl", &body)?;
    run(begin, folder.path(), programs.path())?;
    run(rotate, folder.path(), programs.path())?;
    assert!(!folder.path().join("new_key").exists());

    let mut steps = Vec::new();
    for number in 0..fs::read_dir(&sent_to)?.count() {
        let secret = documents(&fs::read_to_string(sent_to.join(number.to_string()))?)?.remove(0);
        let metadata = json!({"creationTimestamp": null, "name": "metrics-key", "namespace": "my-namespace"});
        assert_eq!(secret["metadata"], metadata, "`apply` would have left an annotation with the keys");
        assert_eq!(secret["data"].as_object().map(Map::len), Some(2));
        let key = |key: &str| Base64::decode_vec(text(&secret, &format!("/data/{key}"))).unwrap();
        let [accepted, sent] = ["accepted_keys", "metrics_key"].map(|name| String::from_utf8(key(name)).unwrap());
        assert!(!sent.contains('\n'), "Prometheus would send a line break");
        steps.push((accepted, sent));
    }
    assert_rotates(&steps);
    Ok(())
}
