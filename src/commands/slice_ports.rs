//! The ports of slices: made when a slice is first seen, from what the environment binds for all of them.
//!
//! A slice's values come from labels that anybody may have set. Each is escaped, or refused with its slice, for where it stands,
//! so that it never reaches another key, file or argument than its own; and two slices never share a place.

use crate::backend::command_port::CommandPort;
use crate::backend::flag::FlagKind;
use crate::backend::flag_file::{FlagDocument, Format, InUse, Reload};
use crate::backend::{BackendError, Port};
use crate::plan::placeholder::{filled, says};
use crate::runtime::SlicePorts;
use crate::runtime::fetch::with_help;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// The longest value, in bytes.
const LONGEST: usize = 256;

/// A port of all slices, with the placeholders of a slice's values still in it.
pub struct Template {
    /// The port's name.
    pub name: String,
    /// What it holds.
    pub kind: FlagKind,
    /// Where it stands.
    pub place: Place,
}

/// Where the ports of slices stand.
pub enum Place {
    /// In a file.
    File {
        /// Its format.
        format: Format,
        /// The folder that `path` starts in.
        folder: PathBuf,
        /// The file.
        path: String,
        /// The key in it.
        key: String,
        /// What is to be done after a write.
        reload: Option<Reload>,
        /// What prints the value that is in use, and where in its output.
        in_use: Option<(Vec<String>, Option<String>)>,
    },
    /// Behind two commands.
    Command {
        /// Sets it.
        set: Vec<String>,
        /// Prints it.
        get: Vec<String>,
        /// Where in the output of `get`.
        read: Option<String>,
        /// The folder that they run in.
        folder: PathBuf,
    },
}

impl Template {
    /// What keeps it from telling slices apart, or from being there.
    ///
    /// # Errors
    /// All reasons.
    pub fn check(&self, dims: &[String], programs: bool) -> Result<(), Vec<String>> {
        let mut out = Vec::new();
        let mut apart = |what: &str, texts: &[&str]| {
            for dim in dims.iter().filter(|d| !texts.iter().any(|t| says(t, d))) {
                out.push(format!(
                    "{}: {what} does not say which `{dim}`: all slices would be the same value (write `${{{dim}}}` in it)",
                    self.name
                ));
            }
        };
        match &self.place {
            Place::File { path, key, in_use, .. } => {
                apart("its key", &[path, key]);
                if let Some((argv, _)) = in_use {
                    apart("`in_use`", &argv.iter().map(String::as_str).collect::<Vec<_>>());
                }
            }
            Place::Command { set, get, .. } => {
                apart("`set`", &set.iter().map(String::as_str).collect::<Vec<_>>());
                apart("`get`", &get.iter().map(String::as_str).collect::<Vec<_>>());
            }
        }
        for argv in self.commands() {
            if let Some(program) = argv.first().filter(|p| dims.iter().any(|d| says(p, d))) {
                out.push(format!(
                    "{}: a slice cannot choose the program `{program}`: give it as an argument",
                    self.name
                ));
            }
            if let Some(script) = script(argv).filter(|s| dims.iter().any(|d| says(s, d))) {
                out.push(format!(
                    "{}: a slice's value in the shell's script `{script}` would be run as code: give it as an argument after the \
                     script, and write \"$1\" in it",
                    self.name
                ));
            }
        }
        if out.is_empty()
            && programs
            && let Err(why) = self.ready(dims)
        {
            out.push(format!("{}: {why}", self.name));
        }
        if out.is_empty() { Ok(()) } else { Err(out) }
    }

    fn commands(&self) -> Vec<&Vec<String>> {
        match &self.place {
            Place::File { in_use, .. } => in_use.iter().map(|(argv, _)| argv).collect(),
            Place::Command { set, get, .. } => vec![set, get],
        }
    }

    /// Whether what all slices share is there.
    fn ready(&self, dims: &[String]) -> Result<(), String> {
        let said = |e: BackendError| with_help(&e);
        let any = |text: &str| filled(text, |name| dims.iter().any(|d| d == name).then_some("x"));
        let all = |argv: &[String]| argv.iter().map(|a| any(a)).collect::<Vec<_>>();
        match &self.place {
            Place::File { format, folder, path, key, reload, in_use } => {
                if let Some(reload) = reload {
                    reload.ready().map_err(said)?;
                }
                if let Some((argv, read)) = in_use {
                    InUse::new(all(argv), read.as_deref(), folder).and_then(|i| i.ready()).map_err(said)?;
                }
                let document = FlagDocument::new(*format, folder.join(any(path)), None);
                document.flag(&any(key), self.kind, None).map_err(said)?;
                // a file of each slice's own is looked at when the slice is seen
                if dims.iter().any(|d| says(path, d)) { Ok(()) } else { document.ready().map_err(said) }
            }
            Place::Command { set, get, read, folder } => {
                let port = CommandPort::new(self.kind, all(set), all(get), read.as_deref(), folder.clone());
                port.and_then(|p| p.ready()).map_err(said)
            }
        }
    }
}

/// The shells whose `-c` is looked for.
const SHELLS: [&str; 7] = ["sh", "bash", "dash", "zsh", "ksh", "ash", "fish"];

/// What a shell in this command is given as its script, wherever the shell stands (`env`, `sudo`, `nice` come before it): its
/// values would be code.
fn script(argv: &[String]) -> Option<&String> {
    let name = |a: &String| a.rsplit('/').next().is_some_and(|n| SHELLS.contains(&n));
    let rest = argv.get(argv.iter().position(name)? + 1..)?;
    // `-c`, and with other letters in one word: `-ec`
    let c = |a: &String| a.strip_prefix('-').is_some_and(|o| !o.starts_with('-') && o.contains('c'));
    let (mut asked, mut of_option) = (false, false);
    for a in rest {
        if of_option {
            of_option = false;
        } else if a.starts_with(['-', '+']) {
            asked |= c(a);
            of_option = matches!(a.as_str(), "-o" | "+o" | "-O" | "+O");
        } else {
            // the first that is no option: the script itself, or the file that it stands in
            return asked.then_some(a);
        }
    }
    None
}

/// A place that two slices, or two ports of one, must not share: a file with the parts of a key, or a command's arguments.
type Taken = BTreeMap<(PathBuf, Vec<String>), String>;

/// What makes a flag file another one: its format, its path, and what is to be done after a write.
type FileKey = (Format, PathBuf, Option<String>);

/// Makes the ports of slices.
pub struct Templates {
    dims: Vec<String>,
    ports: Vec<Template>,
    documents: Mutex<BTreeMap<FileKey, Arc<FlagDocument>>>,
    taken: Mutex<Taken>,
}

impl Templates {
    /// For ports in the plan's order, of slices with these dimensions.
    #[must_use]
    pub fn new(dims: Vec<String>, ports: Vec<Template>) -> Self {
        Self { dims, ports, documents: Mutex::default(), taken: Mutex::default() }
    }

    /// A text with a slice's values in it, each made fit for where it stands.
    fn fill(&self, text: &str, slice: &[String], stands: Stands) -> Result<String, String> {
        let mut fit = BTreeMap::new();
        for (dim, value) in self.dims.iter().zip(slice).filter(|(d, _)| says(text, d)) {
            let leads = text.starts_with(&format!("${{{dim}}}"));
            fit.insert(dim.as_str(), stands.fit(value, leads).map_err(|why| format!("{dim} {value:?} {why}"))?);
        }
        Ok(filled(text, |name| fit.get(name).map(String::as_str)))
    }

    fn port(&self, t: &Template, slice: &[String], takes: &mut Taken) -> Result<Arc<dyn Port>, String> {
        let said = |e: BackendError| with_help(&e);
        let words =
            |argv: &[String]| argv.iter().map(|a| self.fill(a, slice, Stands::Argument)).collect::<Result<Vec<_>, _>>();
        match &t.place {
            Place::File { format, folder, path, key, reload, in_use } => {
                let path = folder.join(self.fill(path, slice, Stands::File)?);
                let stands = if *format == Format::Env { Stands::Variable } else { Stands::Key };
                let key = self.fill(key, slice, stands)?;
                let in_use = match in_use {
                    Some((argv, read)) => Some(InUse::new(words(argv)?, read.as_deref(), folder).map_err(said)?),
                    None => None,
                };
                let file = super::connect::real(&path);
                self.take(takes, (file.clone(), key.split('/').map(str::to_owned).collect()), &t.name)?;
                let made = (*format, file, reload.as_ref().map(ToString::to_string));
                let mut documents = self.documents.lock().unwrap_or_else(PoisonError::into_inner);
                let new = || FlagDocument::new(*format, path, reload.clone());
                let document = Arc::clone(documents.entry(made).or_insert_with(new));
                Ok(Arc::new(document.flag(&key, t.kind, in_use).map_err(said)?))
            }
            Place::Command { set, get, read, folder } => {
                let (set, get) = (words(set)?, words(get)?);
                self.take(takes, (PathBuf::new(), set.clone()), &t.name)?;
                Ok(Arc::new(CommandPort::new(t.kind, set, get, read.as_deref(), folder.clone()).map_err(said)?))
            }
        }
    }

    /// Notes a place as taken, if it is neither inside nor around another one.
    fn take(&self, takes: &mut Taken, place: (PathBuf, Vec<String>), name: &str) -> Result<(), String> {
        let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let whose = [&*taken, takes].iter().find_map(|all| meets(all, &place)).map(str::to_owned);
        if let Some(other) = whose {
            let at = place.1.join("/");
            return Err(format!("{at} is the place of {other} already: two slices cannot share a value"));
        }
        takes.insert(place, name.to_owned());
        Ok(())
    }
}

/// Whose place is the same as this one, inside it, or around it. Commands meet only where they are the same.
fn meets<'t>(taken: &'t Taken, (file, key): &(PathBuf, Vec<String>)) -> Option<&'t str> {
    let at = |n: usize| taken.get(&(file.clone(), key.get(..n).unwrap_or_default().to_vec()));
    let command = file.as_os_str().is_empty();
    let around = (1..=key.len()).filter(|n| !command || *n == key.len()).find_map(at);
    let inside = || {
        let mut from = taken.range((file.clone(), key.clone())..);
        from.next().filter(|((f, k), _)| !command && f == file && k.starts_with(key)).map(|(_, name)| name)
    };
    around.or_else(inside).map(String::as_str)
}

impl SlicePorts for Templates {
    fn make(&self, slice: &[String]) -> Result<Vec<Arc<dyn Port>>, String> {
        let mut takes = Taken::new();
        let made =
            self.ports.iter().map(|t| self.port(t, slice, &mut takes).map_err(|why| format!("{}: {why}", t.name)));
        let made = made.collect::<Result<Vec<_>, _>>()?;
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let whose = |name: &str| format!("{name} of {}", slice.join(", "));
        taken.extend(takes.into_iter().map(|(place, name)| (place, whose(&name))));
        Ok(made)
    }

    fn ready(&self) -> Vec<String> {
        self.ports.iter().filter_map(|t| t.check(&self.dims, true).err()).flatten().collect()
    }
}

/// Where a value stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stands {
    /// A part of a key: what would lead to another one is escaped.
    Key,
    /// A part of a variable's name.
    Variable,
    /// A part of a file's name.
    File,
    /// A part of an argument.
    Argument,
}

impl Stands {
    /// The value as it is written there; why it cannot be. `leads`: nothing stands before it.
    fn fit(self, value: &str, leads: bool) -> Result<String, String> {
        if value.len() > LONGEST {
            return Err(format!("is longer than {LONGEST} bytes"));
        }
        if value.chars().any(char::is_control) {
            return Err(String::from("holds a control character"));
        }
        // what is filled in is filled in once: a backend fills in more
        if value.contains("${") {
            return Err(String::from("holds a `${`"));
        }
        match self {
            Self::Key => Ok(value.replace('~', "~0").replace('/', "~1")),
            Self::Variable if value.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') => Ok(value.to_owned()),
            Self::Variable => Err(String::from("cannot be a part of a variable's name: letters, digits and `_` can")),
            Self::File if value.contains(['/', '\\']) || value.starts_with('.') => {
                Err(String::from("cannot be a part of a file's name: it would be a path"))
            }
            Self::Argument if leads && value.starts_with('-') => {
                Err(String::from("would be taken for an option: it begins with `-`"))
            }
            Self::File | Self::Argument => Ok(value.to_owned()),
        }
    }
}

#[cfg(test)]
#[path = "slice_ports_tests.rs"]
mod tests;
