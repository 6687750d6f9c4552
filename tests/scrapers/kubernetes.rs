//! deploy/kubernetes: the schemas of Kubernetes accept the files of its own kinds, a reference from one file to another has
//! the right name, and the commands do what they say. No package has a schema of the Operator's kinds.

use std::{collections::BTreeMap, fs, io, path::Path, process::Command};

use base64ct::{Base64, Encoding as _};
use libtest_mimic::{Failed, Trial};
use metrics_guard_tests::{
    WRONG,
    process::{said, succeed},
};
use serde_json::{Map, Value, json};

use crate::tools::{assert_rotates, at, commands, deploy, documents, list, run, script, text, with, with_python};

const OTHERS: &str = "others/";
const LIST: &str = "others/additional-scrape-configs.yaml";
const PATCH: &str = "others/prometheus-patch.yaml";

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        Trial::ignorable_test("kubernetes_types", || with_python(every_field_is_one_that_there_is)),
        Trial::test("kubernetes_names", || the_names_agree(&Files::of(&deploy("kubernetes"))?)),
        Trial::test("kubernetes_names_after_a_change", the_names_agree_after_a_change),
        Trial::ignorable_test("kubernetes_kustomize", || with("kubectl", "kubectl", what_kustomize_makes)),
        Trial::ignorable_test("kubernetes_commands", || with("kubectl", "kubectl", the_commands_do_what_they_say)),
        Trial::ignorable_test("kubernetes_scrape_configs", || with("trixie", "promtool", scrape_configs_by_promtool)),
    ]
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

    fn write(&self, folder: &Path) -> io::Result<()> {
        fs::create_dir(folder.join(OTHERS))?;
        self.0.iter().try_for_each(|(file, content)| fs::write(folder.join(file), content))
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

/// Each reference from one object to another, or to a key of a Secret, has the name that is there.
fn the_names_agree(files: &Files) -> Result<(), Failed> {
    let [deployment, public, internal] = &documents(&files.0["deployment.yaml"])?[..] else {
        return Err("not three objects".into());
    };
    let object = |file: &str| files.object(file);
    let (kustomization, policy) = (object("kustomization.yaml")?, object("network-policy.yaml")?);
    let (monitor, pods) = (object("service-monitor.yaml")?, object("others/pod-monitor.yaml")?);
    let (by_certificate, config) =
        (object("others/service-monitor-client-certificate.yaml")?, object("others/scrape-config.yaml")?);
    let (additional, patch) = (object(LIST)?, object(PATCH)?);
    let jobs = documents(text(&additional, "/stringData/scrape-configs.yaml"))?;

    let (name, namespace) = (text(deployment, "/metadata/name"), text(&kustomization, "/namespace"));
    let monitoring = text(&additional, "/metadata/namespace");
    let container = at(deployment, "/spec/template/spec/containers/0");
    let volume = at(deployment, "/spec/template/spec/volumes/0");
    let variable = |name: &str| {
        let found = list(container, "/env").iter().find(|variable| variable["name"] == name);
        found.map_or("", |variable| text(variable, "/value"))
    };
    let (folder, file) = variable("METRICS_VERIFICATION_KEY_FILE").rsplit_once('/').ok_or("no key file")?;
    let (pod, service) = (at(deployment, "/spec/template/metadata/labels"), at(internal, "/metadata/labels"));
    let (secret, client) = (text(volume, "/secret/secretName"), format!("{name}-client-certificate"));
    let credentials = json!({"name": secret, "key": "metrics_key"});
    let of_client = |key: &str| json!({"name": client, "key": key});
    for (of, pointer, expected) in [
        (deployment, "/spec/selector/matchLabels", pod.clone()),
        (container, "/volumeMounts/0", json!({"name": volume["name"], "mountPath": folder, "readOnly": true})),
        (volume, "/secret/defaultMode", json!(0o440)),
        (volume, "/secret/items", json!([{"key": "accepted_keys", "path": file}])),
        (container, "/readinessProbe/httpGet", json!({"path": "/", "port": "http"})),
        (container, "/ports/0", json!({"name": "http", "containerPort": variable("ROCKET_PORT").parse::<u16>()?})),
        (container, "/ports/1", json!({"name": "metrics", "containerPort": variable("METRICS_PORT").parse::<u16>()?})),
        (public, "/spec/selector", pod.clone()),
        (public, "/spec/ports/0/targetPort", json!("http")),
        (internal, "/spec/selector", pod.clone()),
        (internal, "/spec/ports/0/targetPort", json!("metrics")),
        (internal, "/spec/ports/0/name", json!("metrics")),
        (&monitor, "/spec/selector/matchLabels", service.clone()),
        (&monitor, "/spec/endpoints/0/port", json!("metrics")),
        (&monitor, "/spec/endpoints/0/followRedirects", json!(false)),
        (&monitor, "/spec/endpoints/0/authorization/credentials", credentials.clone()),
        (&by_certificate, "/spec/selector/matchLabels", service.clone()),
        (&by_certificate, "/spec/endpoints/0/port", json!("metrics")),
        (&by_certificate, "/spec/endpoints/0/followRedirects", json!(false)),
        (&by_certificate, "/spec/endpoints/0/authorization/credentials", credentials.clone()),
        (&by_certificate, "/spec/endpoints/0/tlsConfig/ca/secret", of_client("ca.crt")),
        (&by_certificate, "/spec/endpoints/0/tlsConfig/cert/secret", of_client("tls.crt")),
        (&by_certificate, "/spec/endpoints/0/tlsConfig/keySecret", of_client("tls.key")),
        (&pods, "/spec/selector/matchLabels", pod.clone()),
        (&pods, "/spec/podMetricsEndpoints/0/port", json!("metrics")),
        (&pods, "/spec/podMetricsEndpoints/0/followRedirects", json!(false)),
        (&pods, "/spec/podMetricsEndpoints/0/authorization/credentials", credentials.clone()),
        (&config, "/metadata/namespace", json!(namespace)),
        (&config, "/spec/authorization/credentials", credentials),
        (&jobs[0], "/0/follow_redirects", json!(false)),
        (
            &jobs[0],
            "/0/http_headers/X-Metrics-Key/files/0",
            json!(format!("/etc/prometheus/secrets/{secret}/metrics_key")),
        ),
        (&jobs[0], "/0/kubernetes_sd_configs/0/namespaces/names", json!([namespace])),
        (&jobs[0], "/0/relabel_configs/0/regex", json!(format!("{name};metrics"))),
        (&patch, "/spec/secrets", json!([secret])),
        (&patch, "/spec/additionalScrapeConfigs/name", additional["metadata"]["name"].clone()),
        (&policy, "/spec/podSelector/matchLabels", pod.clone()),
        (&policy, "/spec/ingress/0/ports", json!([{"port": "http"}])),
        (&policy, "/spec/ingress/1/ports", json!([{"port": "metrics"}])),
        (
            &policy,
            "/spec/ingress/1/from/0/namespaceSelector/matchLabels",
            json!({"kubernetes.io/metadata.name": monitoring}),
        ),
        (&kustomization, "/images/0/name", container["image"].clone()),
    ] {
        assert_eq!(at(of, pointer), &expected, "{pointer}");
    }
    // The commands in the comments make each Secret that a file reads, and no file has a key.
    for (namespace, secret, key) in [
        (namespace, secret, "accepted_keys"),
        (namespace, secret, "metrics_key"),
        (monitoring, secret, "metrics_key"),
        (namespace, &client, "ca.crt"),
        (namespace, &client, "tls.crt"),
        (namespace, &client, "tls.key"),
    ] {
        assert!(files.makes(namespace, secret, key), "no command makes {secret} with {key}");
    }
    assert!(files.0["secret.yaml"].lines().all(|line| line.starts_with('#')));
    let command = format!("kubectl --namespace {monitoring} patch prometheus NAME --type=merge --patch-file={PATCH}\n");
    assert_eq!(commands(&files.0[PATCH]), [command]);
    Ok(())
}

/// The commands in kustomization.yaml that put other names in place.
fn the_names_agree_after_a_change() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let files = Files::of(&deploy("kubernetes"))?;
    files.write(folder.path())?;
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

/// By the published schemas of Kubernetes, which have no other fields.
fn every_field_is_one_that_there_is(programs: &Path) -> Result<(), Failed> {
    let mut command = Command::new(programs.join("kubernetes-validate"));
    command.args(["--strict", "--kubernetes-version=1.37.0", "deployment.yaml", "network-policy.yaml", LIST]);
    let checked = said(&command.current_dir(deploy("kubernetes")).output()?);
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
    Ok(())
}

fn scrape_configs_by_promtool(promtool: &Path) -> Result<(), Failed> {
    let secret = Files::of(&deploy("kubernetes"))?.object(LIST)?;
    let file = tempfile::NamedTempFile::new()?;
    fs::write(&file, format!("scrape_configs:\n{}", text(&secret, "/stringData/scrape-configs.yaml")))?;
    Ok(succeed(Command::new(promtool).args(["check", "config", "--syntax-only"]).arg(file.path()))?)
}

fn what_kustomize_makes(kubectl: &Path) -> Result<(), Failed> {
    let (home, folder) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let files = Files::of(&deploy("kubernetes"))?;
    files.write(folder.path())?;
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

/// The commands in secret.yaml, by kubectl, with files in place of the cluster.
fn the_commands_do_what_they_say(kubectl: &Path) -> Result<(), Failed> {
    let file = fs::read_to_string(deploy("kubernetes/secret.yaml"))?;
    let [create, delete_first, read, accept_both, present_new, accept_new, delete, revoke, delete_last] =
        &commands(&file)[..]
    else {
        return Err("not nine blocks".into());
    };
    let [folder, programs] = [tempfile::tempdir()?, tempfile::tempdir()?];
    // Each Secret that would be sent to the cluster goes into a file instead, and the last one is read.
    let sent_to = programs.path().join("sent");
    fs::create_dir(&sent_to)?;
    let to_file = format!("cat > {0}/$(ls {0} | wc -l)", sent_to.display());
    let last = format!("{0}/$(($(ls {0} | wc -l) - 1))", sent_to.display());
    let kubectl = format!("env HOME={} {}", programs.path().display(), kubectl.display());
    let modes = "for file in accepted_keys metrics_key new_key old_key; do\n[ ! -e $file ] || [ $(stat -c %a $file) = 600 \
                 ] || { echo \"$file is open to others\" >&2; exit 1; }\ndone\n";
    let body = format!(
        "{modes}case \"$*\" in\n'replace --filename=-') {to_file};;\n*--dry-run=client*) exec {kubectl} \"$@\";;\n\
         '--namespace my-namespace get secret metrics-key '*) {kubectl} label --local --filename={last} a=b \"$6\";;\n\
         *) {kubectl} \"$@\" --dry-run=client --output=yaml | {to_file};;\nesac"
    );
    script(programs.path(), "kubectl", &body)?;
    let run_all = |blocks: &[&String]| blocks.iter().try_for_each(|block| run(block, folder.path(), programs.path()));
    run_all(&[create, delete_first, read, accept_both, present_new, accept_new, delete])?;
    assert_eq!(fs::read_dir(folder.path())?.count(), 0, "a key is left in the folder");

    let sent = |number: usize| -> Result<(String, String), Failed> {
        let secret = documents(&fs::read_to_string(sent_to.join(number.to_string()))?)?.remove(0);
        let metadata = json!({"creationTimestamp": null, "name": "metrics-key", "namespace": "my-namespace"});
        assert_eq!(secret["metadata"], metadata, "`apply` would have left an annotation with the keys");
        assert_eq!(secret["data"].as_object().map(Map::len), Some(2));
        let key = |key: &str| Base64::decode_vec(text(&secret, &format!("/data/{key}"))).unwrap();
        let [accepted, sent] = ["accepted_keys", "metrics_key"].map(|name| String::from_utf8(key(name)).unwrap());
        assert!(!sent.contains('\n'), "Prometheus would send a line break");
        Ok((accepted, sent))
    };
    let steps = (0..4).map(sent).collect::<Result<Vec<_>, _>>()?;
    assert_rotates(&steps);

    // The other scraper's key stays when this one is revoked.
    run_all(&[read, &format!("echo {WRONG} >> accepted_keys"), revoke, delete_last])?;
    let (accepted, new) = sent(4)?;
    assert_eq!(accepted, format!("{new}\n{WRONG}\n"));
    assert_ne!(new, steps[3].1);
    Ok(())
}
