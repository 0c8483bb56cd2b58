//! `canary init`: a policy to begin from, with its environment and what that names. Never overwrites anything.

use super::exit::{Status, because};
use super::load::plain;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Arguments of `canary init`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The folder to write to, or the policy's file (`NAME.canary`)
    #[arg(default_value = ".")]
    path: PathBuf,
    /// Which one
    #[arg(long, value_name = "NAME", default_value = "http", value_parser = ["http", "flag", "script"])]
    template: String,
    /// Only say which there are
    #[arg(long)]
    list: bool,
}

/// A starting point: the first file is the policy.
struct Template {
    name: &'static str,
    about: &'static str,
    /// What makes its run on the lab short.
    short: &'static str,
    files: &'static [(&'static str, &'static str)],
}

macro_rules! starter {
    ($folder:literal: $($file:literal),+) => {
        &[$(($file, include_str!(concat!("../../policies/starters/", $folder, "/", $file)))),+]
    };
}

const TEMPLATES: [Template; 3] = [
    Template {
        name: "http",
        about: "traffic from an old version of a service to a new one: HAProxy, Prometheus",
        short: "--set watch=5s --set patience=3s --set every=1s --set window=4s",
        files: starter!("http": "service.canary", "environments/production.canary"),
    },
    Template {
        name: "flag",
        about: "a percentage in a JSON file goes up in phases; compared with before: Prometheus",
        short: "--set watch=4s --set patience=3s --set every=1s --set window=4s --set compared=5s",
        files: starter!("flag": "flag.canary", "environments/production.canary", "flags.json"),
    },
    Template {
        name: "script",
        about: "a script of yours moves the traffic, the numbers are on a /metrics page: no other server",
        short: "--set watch=5s --set patience=3s --set every=1s --set window=4s",
        files: starter!("script": "service.canary", "environments/production.canary", "split.sh", "smoke.sh"),
    },
];

/// Writes a starting point.
#[must_use]
pub fn main(args: &Args) -> Status {
    if args.list {
        for t in &TEMPLATES {
            outln!("{:<8} {}", t.name, t.about);
        }
        return Status::Success;
    }
    let Some(template) = TEMPLATES.iter().find(|t| t.name == args.template) else {
        return because(Status::Wrong, &format!("no template is called `{}`: see `canary init --list`", args.template));
    };
    let files = template.at(&args.path);
    let there: Vec<String> =
        files.iter().filter(|(p, _)| p.symlink_metadata().is_ok()).map(|(p, _)| shown(p)).collect();
    if !there.is_empty() {
        let (verb, them) = if there.len() == 1 { ("is", "it") } else { ("are", "them") };
        return because(
            Status::Wrong,
            &format!(
                "{} {verb} there already, and nothing was written: name another folder, or move {them} away",
                there.join(", ")
            ),
        );
    }
    if let Err(status) = write_all(&files) {
        return status;
    }
    for (path, _) in &files {
        outln!("wrote {}", shown(path));
    }
    if let Some((policy, _)) = files.first() {
        let policy = shown(policy);
        outln!("\ntry it here, against a built-in service:\n  canary run {policy} --env lab {}", template.short);
        outln!("what it would do in production:\n  canary plan {policy} --env production");
    }
    Status::Success
}

impl Template {
    /// Its files in a folder; or, where the path is that of a policy, under that name with the rest beside it.
    fn at(&self, path: &Path) -> Vec<(PathBuf, String)> {
        let is_policy = path.extension().is_some_and(|e| e == "canary") && !path.is_dir();
        let folder = if is_policy { path.parent().unwrap_or_else(|| Path::new("")) } else { path };
        let folder = folder.strip_prefix(".").unwrap_or(folder);
        let own = self.files.first().map_or("", |(name, _)| name);
        let given = path.file_name().filter(|_| is_policy).map(|n| n.to_string_lossy().into_owned());
        let name = given.unwrap_or_else(|| own.to_owned());
        let files = self.files.iter().map(|(file, text)| {
            let file = if *file == own { name.as_str() } else { file };
            // comments name the policy's file: so that what they say can be typed as it stands
            (folder.join(file), text.replace(own, &name))
        });
        files.collect()
    }
}

/// All files, or none: what was written before a failure is taken away again.
fn write_all(files: &[(PathBuf, String)]) -> Result<(), Status> {
    for (i, (path, text)) in files.iter().enumerate() {
        if let Err(e) = write(path, text) {
            for (path, _) in files.iter().take(i) {
                let _ = std::fs::remove_file(path);
            }
            return Err(because(Status::Wrong, &format!("cannot write {}: {}", shown(path), plain(&e))));
        }
    }
    Ok(())
}

/// A new file: one that came meanwhile is left alone.
fn write(path: &Path, text: &str) -> std::io::Result<()> {
    if let Some(folder) = path.parent().filter(|f| !f.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder)?;
    }
    let mode = if path.extension().is_some_and(|e| e == "sh") { 0o777 } else { 0o666 };
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    let done = file.write_all(text.as_bytes());
    if done.is_err() {
        let _ = std::fs::remove_file(path);
    }
    done
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
