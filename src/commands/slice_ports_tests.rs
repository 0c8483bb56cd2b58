use super::*;
use crate::plan::Setting;

fn file(folder: &Path, format: Format, path: &str, key: &str) -> Template {
    Template {
        name: String::from("autonomy"),
        kind: FlagKind::Bool,
        place: Place::File {
            format,
            folder: folder.to_owned(),
            path: path.into(),
            key: key.into(),
            reload: None,
            in_use: None,
        },
    }
}

fn slice(values: &[&str]) -> Vec<String> {
    values.iter().map(|v| (*v).to_owned()).collect()
}

fn templates(ports: Vec<Template>) -> Templates {
    Templates::new(slice(&["tenant", "severity"]), ports)
}

#[track_caller]
fn refused(t: &Templates, values: &[&str], part: &str) {
    match t.make(&slice(values)) {
        Ok(made) => panic!("{values:?} has {:?}", made.iter().map(|p| p.describe()).collect::<Vec<_>>()),
        Err(why) => assert!(why.contains(part), "{why}"),
    }
}

#[tokio::test]
async fn no_value_reaches_another_key() {
    let nasty = ["../x", "a/b", "a~1b", "a~b", "a.b", "..", "true", "1", "\"", "\\", "a: b", "#", "x]", "ü", " ", "*"];
    for (format, name, text) in
        [(Format::Json, "f.json", "{}\n"), (Format::Yaml, "f.yaml", ""), (Format::Toml, "f.toml", "")]
    {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        let t = templates(vec![file(folder.path(), format, name, "on/${tenant}/${severity}")]);
        assert_eq!(t.ready(), Vec::<String>::new());
        let mut ports = Vec::new();
        for tenant in nasty {
            ports.push(t.make(&slice(&[tenant, "low"])).unwrap_or_else(|e| panic!("{tenant:?}: {e}")).remove(0));
        }
        for (i, port) in ports.iter().enumerate() {
            assert_eq!(port.read().await.unwrap(), Setting::Absent, "{name} {:?}", nasty[i]);
            port.set(Setting::Bool(true)).await.unwrap_or_else(|e| panic!("{name} {:?}: {e}", nasty[i]));
            // its own, and nobody else's
            for (j, other) in ports.iter().enumerate() {
                let want = if j <= i { Setting::Bool(true) } else { Setting::Absent };
                assert_eq!(other.read().await.unwrap(), want, "{name} {:?} after {:?}", nasty[j], nasty[i]);
            }
        }
        if format == Format::Json {
            let value: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
            for tenant in nasty {
                assert_eq!(value["on"][tenant]["low"], true, "{tenant}");
            }
        }
        // all of them are read at once, and say the same
        let shared = ports[0].shared().unwrap();
        assert!(shared.together);
        let members: Vec<usize> = ports.iter().map(|p| p.shared().unwrap().member).collect();
        let read = shared.write.read(&members).await;
        assert!(read.iter().all(|r| *r == Ok(Setting::Bool(true))), "{name} {read:?}");
        assert!(ports.iter().all(|p| Arc::ptr_eq(&p.shared().unwrap().write, &shared.write)), "one file, one write");
    }
}

#[test]
fn a_value_that_cannot_stand_there_costs_only_its_slice() {
    let folder = tempfile::tempdir().unwrap();
    let key = |key: &str| templates(vec![file(folder.path(), Format::Json, "f.json", key)]);
    let t = key("${tenant}/${severity}");
    refused(&t, &["a\nb", "low"], "autonomy: tenant \"a\\nb\" holds a control character");
    refused(&t, &["${value}", "low"], "holds a `${`");
    refused(&t, &[&"x".repeat(257), "low"], "is longer than 256 bytes");
    assert!(t.make(&slice(&["acme", "low"])).is_ok());
    // two slices at one place, where a template cannot tell them apart
    let t = key("${tenant}-${severity}");
    assert!(t.make(&slice(&["a-b", "c"])).is_ok());
    refused(&t, &["a", "b-c"], "a-b-c is the place of autonomy of a-b, c already: two slices cannot share a value");
    assert!(t.make(&slice(&["a", "b"])).is_ok());
    // one inside the other
    let inside = |one: &str, other: &str| {
        let t = templates(vec![
            file(folder.path(), Format::Json, "f.json", one),
            file(folder.path(), Format::Json, "f.json", other),
        ]);
        refused(&t, &["a", "b"], "two slices cannot share a value");
    };
    inside("${tenant}/${severity}", "${tenant}/${severity}/on");
    inside("${tenant}/${severity}/on", "${tenant}/${severity}");
    // variables and files
    let t = templates(vec![file(folder.path(), Format::Env, "f.env", "A_${tenant}_${severity}")]);
    assert!(t.make(&slice(&["acme", "low"])).is_ok());
    for bad in ["a-b", "a b", "a=1", "ü"] {
        refused(&t, &[bad, "low"], "cannot be a part of a variable's name");
    }
    refused(&t, &["acme_low", "é"], "cannot be a part");
    let t = templates(vec![file(folder.path(), Format::Json, "${tenant}.json", "${severity}")]);
    for bad in ["../x", "a/b", "..", ".hidden", "a\\b"] {
        refused(&t, &[bad, "low"], "cannot be a part of a file's name");
    }
    let port = t.make(&slice(&["acme.eu", "low"])).unwrap().remove(0);
    assert_eq!(port.describe(), format!("json_file low in {}", folder.path().join("acme.eu.json").display()));
}

#[test]
fn arguments_are_no_options_and_slices_no_programs() {
    let command = |set: &[&str], get: &[&str]| Template {
        name: String::from("autonomy"),
        kind: FlagKind::Bool,
        place: Place::Command { set: slice(set), get: slice(get), read: None, folder: PathBuf::from("/") },
    };
    let t = templates(vec![command(
        &["true", "${tenant}", "x${severity}", "${value}"],
        &["true", "${tenant}/${severity}"],
    )]);
    assert_eq!(t.ready(), Vec::<String>::new());
    refused(&t, &["-rf", "low"], "would be taken for an option: it begins with `-`");
    // a blank or a quote is one argument still: there is no shell
    assert!(t.make(&slice(&["a b; rm \"x\"", "-low"])).is_ok());
    refused(&t, &["a b; rm \"x\"", "-low"], "two slices cannot share a value");
    let said = |t: Template| t.check(&slice(&["tenant", "severity"]), false).unwrap_err().join("\n");
    let all = said(command(&["./${tenant}", "${value}"], &["get", "${severity}"]));
    for part in [
        "autonomy: `set` does not say which `severity`: all slices would be the same value (write `${severity}` in it)",
        "autonomy: `get` does not say which `tenant`",
        "autonomy: a slice cannot choose the program `./${tenant}`: give it as an argument",
    ] {
        assert!(all.contains(part), "{all}");
    }
    let all = said(file(std::path::Path::new("/"), Format::Json, "f.json", "${tenant}"));
    assert!(all.contains("its key does not say which `severity`"), "{all}");
}

use std::path::Path;

#[test]
fn a_slice_is_no_shell_code() {
    let said = |set: &[&str]| {
        let t = Template {
            name: String::from("autonomy"),
            kind: FlagKind::Bool,
            place: Place::Command {
                set: slice(set),
                get: slice(&["get", "${tenant}", "${severity}"]),
                read: None,
                folder: PathBuf::from("/"),
            },
        };
        t.check(&slice(&["tenant", "severity"]), false).err().unwrap_or_default().join("\n")
    };
    for set in [
        &["sh", "-c", "set ${tenant} ${severity}"][..],
        &["/bin/bash", "-ec", "set ${tenant}", "x", "${severity}"],
        &["env", "A=b", "bash", "-o", "errexit", "-c", "set ${tenant}", "x", "${severity}"],
    ] {
        let all = said(set);
        assert!(all.contains("autonomy: a slice's value in the shell's script `set ${tenant}"), "{set:?}: {all}");
        assert!(all.contains("write \"$1\" in it"), "{all}");
    }
    // what the script is given is no code, nor is an option of a script's own
    assert_eq!(said(&["sh", "-c", "set \"$1\" \"$2\"", "sh", "${tenant}", "${severity}"]), "");
    assert_eq!(said(&["sh", "./set.sh", "-c", "${tenant}", "${severity}"]), "");
    assert_eq!(said(&["./set", "-c", "${tenant}", "${severity}"]), "");
}
