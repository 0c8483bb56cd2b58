//! Makes the adapters that a plan's bindings name. Nothing is contacted here; preflight does that.

use super::credentials::Resolver;
use super::slice_ports::{Place, Template, Templates};
use crate::backend::command::CommandRunner;
use crate::backend::command_port::CommandPort;
use crate::backend::discord::Discord;
use crate::backend::flag::FlagKind;
use crate::backend::flag_file::{FlagDocument, FlagFile, Format, InUse, Reload};
use crate::backend::haproxy::Haproxy;
use crate::backend::prometheus::{Prometheus, PrometheusConfig};
use crate::backend::scrape::{Scrape, ScrapeConfig};
use crate::backend::slack::Slack;
use crate::backend::teams::Teams;
use crate::backend::{BackendError, Metrics, Notice, Notifier, Port, Runner, Secret};
use crate::lab::Lab;
use crate::plan::Ask;
use crate::plan::placeholder::is_unfilled;
use crate::plan::{Arg, Binding, Bindings, Input, Plan, PortKind, Window};
use crate::runtime::{Backends, SlicePorts};
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How long a scraped page's samples are kept beyond the longest window.
const KEEP_BEYOND: Duration = Duration::from_secs(300);

/// Connects everything a run needs.
///
/// # Errors
/// All reasons together: missing variables, secrets and programs, arguments that an adapter refuses.
pub fn connect(plan: &Plan, bindings: &Bindings, lab: Option<&Lab>) -> Result<Backends, Vec<String>> {
    let maker = Maker { programs: true, ..Maker::new(plan, bindings, lab) };
    let (sources, ports, actions) = (maker.sources(), maker.ports(), maker.actions());
    let slices = maker.slices();
    let channels = plan.channels.iter().filter_map(|c| maker.bound(c).and_then(|b| maker.channel(c, b))).collect();
    let reasons = maker.reasons();
    if !reasons.is_empty() {
        return Err(reasons);
    }
    if let Some(lab) = lab {
        // the lab's service reads its flags where they are kept, as a service does
        let flags = plan.ports.iter().zip(&ports).filter(|(p, _)| p.kind != PortKind::Traffic);
        lab.follow(flags.map(|(_, port)| Arc::clone(port)).collect());
    }
    Ok(Backends { sources, ports, slices, channels, actions, variants: bindings.variants.clone() })
}

/// Connects what a rollback needs: ports and actions. Sources and channels that cannot be connected are left out; why is
/// returned beside.
///
/// # Errors
/// All reasons together why ports and actions cannot be connected.
pub fn connect_to_take_back(plan: &Plan, bindings: &Bindings) -> Result<(Backends, Vec<String>), Vec<String>> {
    let needed = Maker::new(plan, bindings, None);
    let (ports, slices, actions) = (needed.ports(), needed.slices(), needed.actions());
    let reasons = needed.reasons();
    if !reasons.is_empty() {
        return Err(reasons);
    }
    let wished = Maker::new(plan, bindings, None);
    let (sources, channels) = (wished.sources(), wished.channels());
    Ok((Backends { sources, ports, slices, channels, actions, variants: bindings.variants.clone() }, wished.reasons()))
}

/// Connects channels only, to deliver what earlier runs have left. Those that cannot be connected keep their notices; why is
/// returned beside.
pub fn connect_to_tell(plan: &Plan, bindings: &Bindings) -> (Backends, Vec<String>) {
    let wished = Maker::new(plan, bindings, None);
    let channels = wished.channels();
    let none = Backends {
        sources: BTreeMap::new(),
        ports: Vec::new(),
        slices: None,
        channels,
        actions: Vec::new(),
        variants: BTreeMap::new(),
    };
    (none, wished.reasons())
}

/// Connects sources only, to ask for the past.
///
/// # Errors
/// All reasons together why they cannot be connected.
pub fn connect_sources(plan: &Plan, bindings: &Bindings) -> Result<Backends, Vec<String>> {
    let maker = Maker::new(plan, bindings, None);
    let sources = maker.sources();
    let reasons = maker.reasons();
    if !reasons.is_empty() {
        return Err(reasons);
    }
    Ok(Backends {
        sources,
        ports: Vec::new(),
        slices: None,
        channels: Vec::new(),
        actions: Vec::new(),
        variants: bindings.variants.clone(),
    })
}

/// Stands where a channel could not be connected.
struct Unreachable {
    name: String,
}

#[async_trait]
impl Notifier for Unreachable {
    async fn notify(&self, _notice: &Notice) -> Result<(), BackendError> {
        Err(BackendError::permanent("it is not connected"))
    }

    fn describe(&self) -> String {
        self.name.clone()
    }

    fn connected(&self) -> bool {
        false
    }
}

/// What makes a flag file another one: its format, its path, and what is to be done after a write.
type FileKey = (Format, PathBuf, Option<String>);

struct Maker<'a> {
    plan: &'a Plan,
    bindings: &'a Bindings,
    lab: Option<&'a Lab>,
    /// Whether programs must be there. Not to take back: an action that cannot be started must not stand in the way of the rest.
    programs: bool,
    resolver: Resolver,
    reasons: std::cell::RefCell<Vec<String>>,
    documents: std::cell::RefCell<BTreeMap<FileKey, Arc<FlagDocument>>>,
    /// Which flags stand where: name, file, key.
    taken: std::cell::RefCell<Vec<(String, PathBuf, String)>>,
}

impl<'a> Maker<'a> {
    fn new(plan: &'a Plan, bindings: &'a Bindings, lab: Option<&'a Lab>) -> Self {
        Self {
            plan,
            bindings,
            lab,
            programs: false,
            resolver: Resolver::default(),
            reasons: std::cell::RefCell::default(),
            documents: std::cell::RefCell::default(),
            taken: std::cell::RefCell::default(),
        }
    }

    /// Everything that stood in the way.
    fn reasons(self) -> Vec<String> {
        let mut reasons = self.resolver.reasons();
        // what several inputs or flags share is missing once
        for reason in self.reasons.into_inner() {
            if !reasons.contains(&reason) {
                reasons.push(reason);
            }
        }
        reasons
    }

    fn sources(&self) -> BTreeMap<String, Arc<dyn Metrics>> {
        let mut sources: BTreeMap<String, Arc<dyn Metrics>> = BTreeMap::new();
        for input in &self.plan.inputs {
            if !sources.contains_key(&input.source)
                && let Some(s) = self.bound(&input.source).and_then(|b| self.source(&input.source, b))
            {
                sources.insert(input.source.clone(), s);
            }
        }
        sources
    }

    /// Those of a sliced rollout are made when a slice is seen.
    fn ports(&self) -> Vec<Arc<dyn Port>> {
        if !self.plan.slices.is_empty() {
            return Vec::new();
        }
        let ports = self.plan.ports.iter();
        let made = ports.filter_map(|p| self.port(&p.name, &p.kind, &self.bound(p.bound_as())?.for_port(p)));
        made.collect()
    }

    /// Where the ports of a sliced rollout's slices come from.
    fn slices(&self) -> Option<Arc<dyn SlicePorts>> {
        if self.plan.slices.is_empty() {
            return None;
        }
        let dims: Vec<String> = self.plan.slices.iter().map(|d| d.name.clone()).collect();
        let ports = self.plan.ports.iter();
        let made = ports.filter_map(|p| self.template(&p.name, &p.kind, &self.bound(p.bound_as())?.for_port(p)));
        let made: Vec<Template> = made.collect();
        for t in &made {
            if let Err(reasons) = t.check(&dims, self.programs) {
                self.reasons.borrow_mut().extend(reasons);
            }
        }
        Some(Arc::new(Templates::new(dims, made)))
    }

    /// The port of all slices.
    fn template(&self, name: &str, kind: &PortKind, b: &Binding) -> Option<Template> {
        let text = |n| b.arg(n).is_some().then(|| self.resolver.text(b, n)).flatten();
        let folder = Self::folder(b);
        let place = match b.backend.as_str() {
            "json_file" | "yaml_file" | "toml_file" | "env_file" => {
                let format = Format::of_backend(&b.backend)?;
                let given = |n: &str| {
                    let argv = b.arg(n).is_some().then(|| self.resolver.words(b, n));
                    argv.filter(|argv| !argv.is_empty())
                };
                let reload = match given("reload") {
                    Some(argv) => {
                        Some(self.keep(name, Reload::new(argv, &folder, self.millis(b, "reload_within", 60_000)))?)
                    }
                    None => None,
                };
                let in_use = given("in_use").map(|argv| (argv, text("read")));
                Place::File {
                    format,
                    folder,
                    path: self.resolver.text(b, "path")?,
                    key: self.resolver.text(b, "key")?,
                    reload,
                    in_use,
                }
            }
            "command" => {
                let (set, get) = (self.resolver.words(b, "set"), self.resolver.words(b, "get"));
                if set.is_empty() || get.is_empty() {
                    // why was said already
                    return None;
                }
                Place::Command { set, get, read: text("read"), folder }
            }
            other => {
                return self.refuse(
                    name,
                    &format!("`{other}` has no port a slice: flag files (`json_file`, …) and `command` have"),
                );
            }
        };
        Some(Template { name: name.to_owned(), kind: flag_kind(kind), place })
    }

    fn actions(&self) -> Vec<Arc<dyn Runner>> {
        let actions = self.plan.actions.iter();
        actions.filter_map(|a| self.bound(&a.name).and_then(|b| self.action(&a.name, b))).collect()
    }

    /// Channels are found by their place in the plan: one that cannot be connected keeps it.
    fn channels(&self) -> Vec<Arc<dyn Notifier>> {
        let channel = |c: &String| {
            let made = self.bound(c).and_then(|b| self.channel(c, b));
            made.unwrap_or_else(|| Arc::new(Unreachable { name: c.clone() }))
        };
        self.plan.channels.iter().map(channel).collect()
    }

    fn refuse<T>(&self, name: &str, why: &str) -> Option<T> {
        self.reasons.borrow_mut().push(format!("{name}: {why}"));
        None
    }

    fn keep<T>(&self, name: &str, made: Result<T, BackendError>) -> Option<T> {
        match made {
            Ok(t) => Some(t),
            Err(e) => {
                let help = e.help.as_ref().map_or(String::new(), |h| format!(" ({h})"));
                self.refuse(name, &format!("{e}{help}"))
            }
        }
    }

    fn bound(&self, name: &str) -> Option<&'a Binding> {
        let b = self.bindings.bindings.get(name);
        match b {
            None => self.refuse(name, &format!("not bound in environment {}", self.bindings.environment)),
            // nothing is ever set by a name that holds a hole
            Some(b) if is_unfilled(self.plan, name, b) => {
                self.refuse(name, "its binding holds a `${…}` that this version does not fill in")
            }
            Some(b) => Some(b),
        }
    }

    /// The folder of the file that holds the binding: relative paths and commands start there.
    fn folder(binding: &Binding) -> PathBuf {
        let file = binding.place.rsplitn(3, ':').last().unwrap_or("");
        let parent = Path::new(file).parent().unwrap_or_else(|| Path::new(""));
        let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
        // a program is started in this folder and found from it: a relative one would be counted twice
        std::path::absolute(parent).unwrap_or_else(|_| parent.to_path_buf())
    }

    fn source(&self, name: &str, b: &Binding) -> Option<Arc<dyn Metrics>> {
        match b.backend.as_str() {
            "prometheus" => {
                // a URL may carry credentials
                let url = self.resolver.secret_arg(b, "url");
                let bearer = b.arg("bearer").is_some().then(|| self.resolver.secret_arg(b, "bearer")).flatten();
                let user = b.arg("user").is_some().then(|| self.resolver.text(b, "user")).flatten();
                let password = b.arg("password").is_some().then(|| self.resolver.secret_arg(b, "password")).flatten();
                let config = PrometheusConfig {
                    bearer,
                    basic: user.zip(password),
                    scrape: self.millis(b, "scrape", 15_000),
                    timeout: self.millis(b, "timeout", 10_000),
                    ..PrometheusConfig::new(url?)
                };
                Some(Arc::new(self.keep(name, Prometheus::new(config))?))
            }
            "scrape" => {
                let urls = self.resolver.texts(b, "urls");
                if urls.is_empty() {
                    return None;
                }
                self.scrape(name, urls, self.millis(b, "every", 15_000))
            }
            "lab_scrape" | "lab" => match self.lab {
                Some(lab) => self.scrape(name, lab.metrics_urls(), Duration::from_secs(1)),
                None => self.refuse(name, "the lab is not running"),
            },
            other => self.refuse(name, &format!("`{other}` is not a source of metrics")),
        }
    }

    fn millis(&self, b: &Binding, name: &str, default: u64) -> Duration {
        let given = self.resolver.duration(b, name).and_then(|d| u64::try_from(d).ok());
        Duration::from_millis(given.unwrap_or(default))
    }

    fn scrape(&self, name: &str, urls: Vec<String>, every: Duration) -> Option<Arc<dyn Metrics>> {
        let longest = self.plan.inputs.iter().map(reach).max().unwrap_or(0).max(self.plan.baseline.unwrap_or(0));
        let keep = Duration::from_millis(u64::try_from(longest).unwrap_or(0)) + KEEP_BEYOND;
        let config = ScrapeConfig { every, keep, ..ScrapeConfig::new(urls.into_iter().map(Secret::new)) };
        Some(Arc::new(self.keep(name, Scrape::start(&config))?))
    }

    fn port(&self, name: &str, kind: &PortKind, b: &Binding) -> Option<Arc<dyn Port>> {
        let flag = flag_kind(kind);
        match b.backend.as_str() {
            "haproxy" => {
                let text = |n| self.resolver.text(b, n);
                let (socket, backend, canary, stable) =
                    (text("socket")?, text("backend")?, text("canary")?, text("stable")?);
                // `tcp host:port` is no path
                let socket = match socket.starts_with("tcp ") || socket.is_empty() {
                    true => socket,
                    false => Self::folder(b).join(&socket).display().to_string(),
                };
                Some(Arc::new(self.keep(name, Haproxy::new(&socket, &backend, &canary, &stable))?))
            }
            "json_file" | "yaml_file" | "toml_file" | "env_file" => {
                let format = Format::of_backend(&b.backend)?;
                self.flag_file(name, format, flag, b).map(|f| Arc::new(f) as Arc<dyn Port>)
            }
            "command" => {
                let (set, get) = (self.resolver.words(b, "set"), self.resolver.words(b, "get"));
                let read = b.arg("read").is_some().then(|| self.resolver.text(b, "read")).flatten();
                if set.is_empty() || get.is_empty() {
                    // why was said already
                    return None;
                }
                let made = self.keep(name, CommandPort::new(flag, set, get, read.as_deref(), Self::folder(b)))?;
                if self.programs {
                    self.keep(name, made.ready())?;
                }
                Some(Arc::new(made))
            }
            "lab_traffic" => match self.lab {
                Some(lab) => Some(lab.traffic()),
                None => self.refuse(name, "the lab is not running"),
            },
            "lab_flag" => {
                let folder = super::lab::folder();
                if let Err(e) = super::lab::flag_file(&folder) {
                    return self.refuse(name, &format!("cannot make the lab's flag file: {e}"));
                }
                let key = self.resolver.text(b, "key")?;
                let document = self.document(Format::Json, folder.join("flags.json"), None);
                Some(Arc::new(self.keep(name, document.flag(&key, flag, None))?))
            }
            other => self.refuse(name, &format!("`{other}` cannot be set")),
        }
    }

    fn flag_file(&self, name: &str, format: Format, kind: FlagKind, b: &Binding) -> Option<FlagFile> {
        let folder = Self::folder(b);
        let (path, key) = (self.resolver.text(b, "path")?, self.resolver.text(b, "key")?);
        let given = |argument: &str| {
            let argv = b.arg(argument).is_some().then(|| self.resolver.words(b, argument));
            argv.filter(|argv| !argv.is_empty())
        };
        let reload = match given("reload") {
            Some(argv) => {
                let within = self.millis(b, "reload_within", 60_000);
                let made = self.keep(name, Reload::new(argv, &folder, within))?;
                if self.programs {
                    self.keep(name, made.ready())?;
                }
                Some(made)
            }
            None => None,
        };
        let in_use = match given("in_use") {
            Some(argv) => {
                let read = b.arg("read").is_some().then(|| self.resolver.text(b, "read")).flatten();
                let made = self.keep(name, InUse::new(argv, read.as_deref(), &folder))?;
                if self.programs {
                    self.keep(name, made.ready())?;
                }
                Some(made)
            }
            None => None,
        };
        let path = folder.join(path);
        // to take back, what was begun is taken back all the same
        if self.programs {
            self.alone(name, &path, &key)?;
        }
        let document = self.document(format, path, reload);
        let made = self.keep(name, document.flag(&key, kind, in_use))?;
        if self.programs {
            self.keep(name, made.ready())?;
        }
        Some(made)
    }

    /// Whether no other flag stands at this key, or inside it, or around it. A check of the text cannot follow links.
    fn alone(&self, name: &str, path: &Path, key: &str) -> Option<()> {
        let file = real(path);
        let parts = || key.split('/');
        let mut taken = self.taken.borrow_mut();
        let other =
            taken.iter().find(|(_, at, other)| *at == file && parts().zip(other.split('/')).all(|(a, b)| a == b));
        if let Some((other, _, at)) = other {
            let file = file.display();
            let why = if at == key {
                format!("is the same value as `{other}`: {key} in {file} (give each flag a key of its own)")
            } else {
                format!(
                    "{key} and `{other}`'s {at} in {file} stand one inside the other (give each flag a key of its own)"
                )
            };
            return self.refuse(name, &why);
        }
        taken.push((name.to_owned(), file, key.to_owned()));
        Some(())
    }

    /// The file that a flag stands in: one for all flags of it, so that they are written at once.
    fn document(&self, format: Format, path: PathBuf, reload: Option<Reload>) -> Arc<FlagDocument> {
        let key = (format, real(&path), reload.as_ref().map(ToString::to_string));
        let mut documents = self.documents.borrow_mut();
        let made = documents.entry(key).or_insert_with(|| FlagDocument::new(format, path, reload));
        Arc::clone(made)
    }

    fn channel(&self, name: &str, b: &Binding) -> Option<Arc<dyn Notifier>> {
        match b.backend.as_str() {
            "slack" => {
                let url = self.resolver.secret_arg(b, "url")?;
                Some(Arc::new(self.keep(name, Slack::new(&url))?))
            }
            "discord" => {
                let url = self.resolver.secret_arg(b, "url")?;
                Some(Arc::new(self.keep(name, Discord::new(&url))?))
            }
            "teams" => {
                let url = self.resolver.secret_arg(b, "url")?;
                Some(Arc::new(self.keep(name, Teams::new(&url))?))
            }
            "lab_channel" | "lab" => Some(Arc::new(super::lab::Printed::new(name))),
            other => self.refuse(name, &format!("`{other}` is not a channel to people")),
        }
    }

    fn action(&self, name: &str, b: &Binding) -> Option<Arc<dyn Runner>> {
        match b.backend.as_str() {
            "command" => {
                let argv = match b.arg("argv") {
                    Some(Arg::List(_)) => self.resolver.words(b, "argv"),
                    _ => return self.refuse(name, "a command is a list of arguments"),
                };
                if argv.is_empty() {
                    return None;
                }
                let made = CommandRunner::new(argv, Self::folder(b)).hiding(super::credentials::secrets(self.bindings));
                if self.programs {
                    self.keep(name, made.ready())?;
                }
                Some(Arc::new(made))
            }
            "lab_action" => match self.lab {
                Some(lab) => Some(Arc::new(super::lab::Probe::new(name, &lab.proxy_url()))),
                None => self.refuse(name, "the lab is not running"),
            },
            other => self.refuse(name, &format!("`{other}` cannot be run")),
        }
    }
}

fn flag_kind(kind: &PortKind) -> FlagKind {
    match kind {
        PortKind::BoolFlag => FlagKind::Bool,
        PortKind::CountFlag(_) => FlagKind::Count,
        PortKind::RatioFlag(_) | PortKind::Traffic => FlagKind::Ratio,
    }
}

/// A path without links; as it is where there is no such file.
pub(super) fn real(path: &Path) -> PathBuf {
    std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf())
}

fn reach(input: &Input) -> i64 {
    let window = match input.ask {
        Ask::Increase(_, Window::Last(d)) | Ask::Buckets(_, Window::Last(d)) => d,
        _ => 0,
    };
    window.max(input.reach)
}
