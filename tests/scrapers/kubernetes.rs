//! The files for Kubernetes: each field is one that there is, the names agree, and the commands do what they say.

use std::{collections::BTreeMap, fs, io, os::unix::fs::PermissionsExt as _, path::Path, process::Command};

use base64ct::{Base64, Encoding as _};
use libtest_mimic::{Failed, Trial};
use metrics_guard_core::Guard;
use metrics_guard_tests::prometheus::Version;
use serde_json::{Map, Value, json};

use crate::tools::{accepts, at, commands, deploy, documents, list, promtool_takes, run, script, text, with};

mod names;
mod service;
mod types;

pub(crate) fn trials() -> Vec<Trial> {
    let promtool = Version::ALL.map(|version| {
        let name = format!("kubernetes_scrape_configs_by_promtool_{}", version.slot());
        Trial::ignorable_test(name, move || {
            with(version.slot(), "promtool", |promtool| scrape_configs_by_promtool(version, promtool))
        })
    });
    let mut trials = vec![
        Trial::test("kubernetes_types", types::every_field_has_its_type),
        Trial::test("kubernetes_types_refuse_what_is_wrong", types::what_is_wrong_has_no_type),
        Trial::test("kubernetes_names", names::the_names_agree),
        Trial::test("kubernetes_names_refuse_what_is_wrong", names::what_disagrees_is_seen),
        Trial::test("kubernetes_names_after_a_change", names::the_names_agree_after_a_change),
        Trial::test("kubernetes_no_key", no_key_is_in_them),
        Trial::test("kubernetes_service", service::the_example_runs_as_deployed),
        Trial::ignorable_test("kubernetes_kustomize", || with("kubectl", "kubectl", what_kustomize_makes)),
        Trial::ignorable_test("kubernetes_commands", || with("kubectl", "kubectl", the_commands_do_what_they_say)),
    ];
    trials.extend(promtool);
    trials
}

/// The files, by their paths.
#[derive(Clone)]
struct Files(BTreeMap<String, String>);

impl Files {
    fn ours() -> Result<Files, Failed> {
        Files::of(&deploy("kubernetes"))
    }

    fn of(folder: &Path) -> Result<Files, Failed> {
        let mut files = BTreeMap::new();
        for (subfolder, prefix) in [(folder, ""), (&folder.join(OTHERS), OTHERS)] {
            for entry in fs::read_dir(subfolder)? {
                let path = entry?.path();
                if path.extension().is_some_and(|extension| extension == "yaml") {
                    let name = path.file_name().unwrap_or_default().to_string_lossy();
                    files.insert(format!("{prefix}{name}"), fs::read_to_string(&path)?);
                }
            }
        }
        Ok(Files(files))
    }

    fn write(&self, folder: &Path) -> io::Result<()> {
        fs::create_dir_all(folder.join(OTHERS))?;
        self.0.iter().try_for_each(|(name, content)| fs::write(folder.join(name), content))
    }

    /// With something put in place of what is in this file.
    fn with(&self, file: &str, from: &str, to: &str) -> Files {
        let mut files = self.clone();
        let content = files.0.get_mut(file).unwrap();
        assert!(content.contains(from), "{file} has no `{from}`");
        *content = content.replacen(from, to, 1);
        files
    }

    /// The objects in all of them, each with its file's name and its namespace, if need be the one that kustomize gives it.
    fn objects(&self) -> Result<Vec<(&str, Value)>, String> {
        let mut objects = Vec::new();
        for (file, content) in self.0.iter().filter(|(file, _)| *file != KUSTOMIZATION) {
            let mut documents = documents(content).map_err(|problem| format!("{file}: {problem}"))?;
            if file == PATCH {
                // As a part of the object that its command names.
                let words: Vec<_> = content.split_whitespace().collect();
                let namespace = words.iter().skip_while(|word| **word != "--namespace").nth(1);
                let metadata = json!({"name": "somebody's", "namespace": namespace});
                let identity =
                    json!({"apiVersion": "monitoring.coreos.com/v1", "kind": "Prometheus", "metadata": metadata});
                let object = documents.first_mut().and_then(Value::as_object_mut).ok_or("an empty patch")?;
                object.extend(identity.as_object().cloned().unwrap_or_default());
            }
            objects.extend(documents.into_iter().map(|object| (file.as_str(), object)));
        }
        let namespace = self.kustomization()?["namespace"].clone();
        for (_, object) in &mut objects {
            if let Some(metadata) = object["metadata"].as_object_mut() {
                metadata.entry("namespace").or_insert(namespace.clone());
            }
        }
        Ok(objects)
    }

    fn kustomization(&self) -> Result<Value, String> {
        let content = self.0.get(KUSTOMIZATION).ok_or("no kustomization.yaml")?;
        documents(content)?.pop().ok_or_else(|| "an empty kustomization.yaml".into())
    }
}

const KUSTOMIZATION: &str = "kustomization.yaml";

/// The folder of what can take the place of a file in the list, or is not for the list.
const OTHERS: &str = "others/";

/// For a Prometheus that is there; it has no kind, so that it cannot be applied.
const PATCH: &str = "others/prometheus-patch.yaml";

/// What is wrong with these objects, which are not in deploy/.
pub(crate) fn problems(objects: &str) -> Result<Vec<String>, Failed> {
    let mut files = Files::ours()?;
    files.0.retain(|file, _| file == KUSTOMIZATION);
    files.0.insert("objects.yaml".to_owned(), objects.to_owned());
    Ok(types::Types::load().problems(&files))
}

/// The list of scrape configs in the Secret for the Operator: its file, the list, and its text.
fn additional_scrape_configs<'o>(objects: &'o [(&'o str, Value)]) -> Result<(&'o str, Value, &'o str), String> {
    let list = |(file, object): &'o (&'o str, Value)| {
        Some((*file, object.pointer("/stringData/scrape-configs.yaml")?.as_str()?))
    };
    let lists: Vec<_> = objects.iter().filter_map(list).collect();
    let [(file, text)] = lists[..] else { return Err("not one list of scrape configs".into()) };
    Ok((file, documents(text)?.pop().ok_or("an empty list")?, text))
}

/// Who applies them all puts no sample where keys are: of texts, they have the list alone, whose key is a file (see the names).
fn no_key_is_in_them() -> Result<(), Failed> {
    for (file, object) in Files::ours()?.objects()? {
        assert!(object.get("data").is_none(), "{file}: `data` is in Base64, and nobody sees what it says");
        let mut texts = at(&object, "/stringData").as_object().into_iter().flat_map(Map::keys);
        assert!(texts.all(|name| name == "scrape-configs.yaml"), "{file}: {object}");
    }
    Ok(())
}

fn scrape_configs_by_promtool(version: Version, promtool: &Path) -> Result<(), Failed> {
    let files = Files::ours()?;
    let objects = files.objects()?;
    let (_, _, list) = additional_scrape_configs(&objects)?;
    let check = |list: &str| promtool_takes(promtool, &format!("scrape_configs:\n{list}"));
    let (is_right, said) = check(list);
    if version == Version::Bookworm {
        assert!(!is_right && said.contains("http_headers"), "{said}");
    } else {
        assert!(is_right, "{said}");
        let (is_right, said) = check(&list.replace("follow_redirects", "followRedirects"));
        assert!(!is_right && said.contains("followRedirects"), "{said}");
    }
    Ok(())
}

fn what_kustomize_makes(kubectl: &Path) -> Result<(), Failed> {
    let files = Files::ours()?;
    let folder = tempfile::tempdir()?;
    let kustomize = |files: &Files| -> Result<Value, Failed> {
        files.write(folder.path())?;
        let mut command = Command::new(kubectl);
        let output = command.env("HOME", folder.path()).arg("kustomize").arg(folder.path()).output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        if !output.status.success() || !said.is_empty() {
            return Err(said.into_owned().into());
        }
        Ok(Value::Array(documents(&String::from_utf8(output.stdout)?)?))
    };
    let made = kustomize(&files)?;
    let mut kinds: Vec<_> = list(&made, "").iter().map(|object| text(object, "/kind")).collect();
    kinds.sort_unstable();
    assert_eq!(kinds, ["Deployment", "NetworkPolicy", "Service", "Service", "ServiceMonitor"]);
    for object in list(&made, "") {
        assert_eq!(text(object, "/metadata/namespace"), "my-namespace");
        if object["kind"] == "Deployment" {
            let image = text(object, "/spec/template/spec/containers/0/image");
            assert_eq!(image, "registry.example.com/my-service:1.0");
        }
    }
    // Each of the others in the list can take the place of the monitor.
    for other in ["others/service-monitor-client-certificate.yaml", "others/pod-monitor.yaml"] {
        let changed = files.with(KUSTOMIZATION, "  - service-monitor.yaml\n", "").with(
            KUSTOMIZATION,
            &format!("# - {other}"),
            &format!("- {other}"),
        );
        assert_eq!(list(&kustomize(&changed)?, "").len(), 5, "{other}");
    }
    // It would say so, if there were something to say.
    let said = kustomize(&files.with(KUSTOMIZATION, "resources:", "resource:"));
    assert!(said.is_err_and(|said| said.message().is_some_and(|said| said.contains("unknown field"))));
    Ok(())
}

/// The commands in secret.yaml, on the real kubectl: all but the last step of each, for which there is no cluster.
fn the_commands_do_what_they_say(kubectl: &Path) -> Result<(), Failed> {
    let [begin, rotate] = &commands(&Files::ours()?.0["secret.yaml"])[..] else { return Err("not two blocks".into()) };
    let [folder, programs] = [tempfile::tempdir()?, tempfile::tempdir()?];
    let here = folder.path();
    // What would be sent to the cluster goes into files instead, one after the other.
    let sent_to = programs.path().join("sent");
    fs::create_dir(&sent_to)?;
    let to_file = format!("cat > {0}/$(ls {0} | wc -l)", sent_to.display());
    let kubectl = format!("env HOME={} {}", programs.path().display(), kubectl.display());
    let body = format!(
        "case \"$*\" in\n'replace --filename=-') {to_file};;\n*--dry-run=client*) exec {kubectl} \"$@\";;\n\
         *) {kubectl} \"$@\" --dry-run=client --output=yaml | {to_file};;\nesac"
    );
    // By then, each file with a key is its owner's alone.
    let modes = "for file in accepted_keys metrics_key new_key; do\n[ ! -e $file ] || [ $(stat -c %a $file) = 600 ] || \
                 { echo \"$file is open to others\" >&2; exit 1; }\ndone\n";
    script(programs.path(), "kubectl", &(modes.to_owned() + &body))?;
    for commands in [begin, rotate] {
        // Where nobody has said otherwise, files are for all.
        run(&format!("umask 022\n{commands}"), here, programs.path())?;
    }
    assert!(!here.join("new_key").exists());

    let mut sent = Vec::new();
    for number in 0..4 {
        let yaml = fs::read_to_string(sent_to.join(number.to_string()))?;
        let [secret] = &documents(&yaml)?[..] else { return Err("not one Secret".into()) };
        assert_eq!(
            [text(secret, "/metadata/name"), text(secret, "/metadata/namespace")],
            ["metrics-key", "my-namespace"]
        );
        assert!(secret["metadata"].get("annotations").is_none(), "{yaml}");
        assert_eq!(secret["data"].as_object().map(Map::len), Some(2));
        let [accepted, scraper] = ["accepted_keys", "metrics_key"].map(|key| {
            let decoded = Base64::decode_vec(text(secret, &format!("/data/{key}"))).unwrap();
            String::from_utf8(decoded).unwrap()
        });
        // As the service reads it, and as Prometheus would send it.
        let file = here.join("mounted");
        fs::write(&file, &accepted)?;
        fs::set_permissions(&file, fs::Permissions::from_mode(0o440))?;
        let guard = Guard::builder_from_key_file(&file)?.build();
        assert!(guard.warnings().is_empty(), "{:?}", guard.warnings());
        assert!(accepts(&guard, &scraper), "a scrape would fail");
        assert!(scraper.len() == 64 && !scraper.contains('\n'), "a line break");
        sent.push((accepted.lines().map(str::to_owned).collect::<Vec<_>>(), scraper));
    }
    let (old, new) = (sent[0].1.clone(), sent[3].1.clone());
    assert_ne!(old, new);
    let both = vec![new.clone(), old.clone()];
    let expected =
        [(vec![old.clone()], old.clone()), (both.clone(), old), (both, new.clone()), (vec![new.clone()], new)];
    assert_eq!(sent, expected);
    Ok(())
}
